//! Which installation this is. Its identity is kept once it is found, together with the UIDs that it was found under: an operator
//! that is installed again in the same namespace, or in its other form, keeps it; in a copy of the cluster another UID shows.

/// UIDs by which a copy of an installation is told from the original. `None`: not known, or not readable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uids {
    /// Of the namespace kube-system.
    pub kube_system: Option<String>,
    /// Of the operator's namespace.
    pub namespace: Option<String>,
    /// Of the Secret that keeps the identity: a copy of it has another one, and everybody who reads it can see that.
    pub secret: Option<String>,
}

/// The identity as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The identity that the records carry.
    pub cluster_id: String,
    /// What it was found under.
    pub uids: Uids,
}

/// What an installation is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The identity that the records carry.
    pub cluster_id: String,
    /// Why nothing may be changed at a provider: this may be a copy, and the original may still run.
    pub held: Option<String>,
}

/// Which installation this is, and what has to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing is kept and nothing was given: the identity has to be found.
    Find,
    /// The installation, and what is to be kept from now on, if that is something else than now.
    Known(Installation, Option<Kept>),
}

/// Decides which installation this is. `given` is what the installer passed, or what was found where nothing is kept: it replaces
/// the kept identity and its UIDs.
#[must_use]
pub(crate) fn decide(given: Option<&str>, kept: Option<&Kept>, seen: &Uids, place: &str) -> Decision {
    let known = |cluster_id: &str, uids: Uids| {
        let wanted = Kept {
            cluster_id: cluster_id.to_owned(),
            uids,
        };
        let installation = Installation {
            cluster_id: cluster_id.to_owned(),
            held: None,
        };
        Decision::Known(installation, (kept != Some(&wanted)).then_some(wanted))
    };
    match (given, kept) {
        (Some(given), _) => known(given, seen.clone()),
        (None, None) => Decision::Find,
        (None, Some(kept)) => match differences(&kept.uids, seen).as_slice() {
            [] => known(&kept.cluster_id, joined(&kept.uids, seen)),
            different => Decision::Known(
                Installation {
                    cluster_id: kept.cluster_id.clone(),
                    held: Some(message(&kept.cluster_id, different, place)),
                },
                None,
            ),
        },
    }
}

/// What is known in both and not the same.
fn differences(kept: &Uids, seen: &Uids) -> Vec<&'static str> {
    let pairs = [
        ("namespace kube-system", &kept.kube_system, &seen.kube_system),
        ("the operator's namespace", &kept.namespace, &seen.namespace),
        ("this Secret", &kept.secret, &seen.secret),
    ];
    let differs = |kept: &Option<String>, seen: &Option<String>| kept.is_some() && seen.is_some() && kept != seen;
    pairs
        .into_iter()
        .filter(|(_, kept, seen)| differs(kept, seen))
        .map(|(name, ..)| name)
        .collect()
}

/// The kept UIDs, and those that could not be read before.
fn joined(kept: &Uids, seen: &Uids) -> Uids {
    let either = |kept: &Option<String>, seen: &Option<String>| kept.clone().or_else(|| seen.clone());
    Uids {
        kube_system: either(&kept.kube_system, &seen.kube_system),
        namespace: either(&kept.namespace, &seen.namespace),
        secret: either(&kept.secret, &seen.secret),
    }
}

fn message(cluster_id: &str, different: &[&str], place: &str) -> String {
    let different = different.join(" and ");
    format!(
        "the identity of this installation, kept in Secret {place}, belongs to another UID of {different}: this is a copy or was restored from a backup, so \
         nothing is changed at a provider; if the original no longer runs, start the operator with --cluster-id {cluster_id} to manage its clients; if it \
         does, start this one with a --cluster-id of its own"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(kube_system: &str, namespace: &str, secret: &str) -> Uids {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Uids {
            kube_system: some(kube_system),
            namespace: some(namespace),
            secret: some(secret),
        }
    }

    fn kept(id: &str, uids: Uids) -> Kept {
        Kept {
            cluster_id: id.to_owned(),
            uids,
        }
    }

    fn decided(given: Option<&str>, kept: Option<&Kept>, seen: &Uids) -> (String, Option<String>, Option<Kept>) {
        match decide(given, kept, seen, "system/identity") {
            Decision::Known(installation, keep) => (installation.cluster_id, installation.held, keep),
            Decision::Find => panic!("not known"),
        }
    }

    #[test]
    fn t155_what_is_found_first_is_kept_with_the_uids_it_was_found_under() {
        let seen = uids("k", "n", "");
        assert_eq!(decide(None, None, &seen, "system/identity"), Decision::Find);
        assert_eq!(
            decided(Some("found"), None, &seen),
            ("found".into(), None, Some(kept("found", seen.clone())))
        );
        // The Secret has a UID once it exists.
        let stored = kept("found", seen);
        let complete = kept("found", uids("k", "n", "s"));
        assert_eq!(
            decided(None, Some(&stored), &uids("k", "n", "s")),
            ("found".into(), None, Some(complete.clone()))
        );
        assert_eq!(
            decided(None, Some(&complete), &uids("k", "n", "s")),
            ("found".into(), None, None)
        );
    }

    #[test]
    fn t155_another_form_keeps_the_identity_and_adds_what_it_can_read() {
        let namespaced = kept("account", uids("", "", "s"));
        let (id, held, keep) = decided(None, Some(&namespaced), &uids("k", "n", "s"));
        assert_eq!((id.as_str(), held), ("account", None));
        let wide = keep.unwrap();
        assert_eq!(wide, kept("account", uids("k", "n", "s")));
        // Back again: what is not readable is not forgotten.
        assert_eq!(
            decided(None, Some(&wide), &uids("", "", "s")),
            ("account".into(), None, None)
        );
    }

    #[test]
    fn t156_another_uid_holds_everything_until_an_identity_is_given() {
        let original = kept("original", uids("k", "n", "s"));
        for (seen, named) in [
            (uids("other", "n", "s"), "namespace kube-system"),
            (uids("k", "other", "s"), "the operator's namespace"),
            (uids("", "", "other"), "this Secret"),
        ] {
            let (id, held, keep) = decided(None, Some(&original), &seen);
            let held = held.unwrap();
            assert!(
                held.contains(named) && held.contains("--cluster-id original") && held.contains("system/identity"),
                "{held}"
            );
            assert_eq!(
                (id.as_str(), keep),
                ("original", None),
                "the kept UIDs stay the evidence"
            );
            for given in ["original", "own"] {
                let (id, held, keep) = decided(Some(given), Some(&original), &seen);
                assert_eq!((id.as_str(), held), (given, None));
                let now = keep.unwrap();
                assert_eq!(now, kept(given, seen.clone()));
                assert_eq!(decided(None, Some(&now), &seen), (given.to_owned(), None, None));
            }
        }
    }
}
