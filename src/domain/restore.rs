//! Whether an object takes over the record of an earlier object of its namespace and name: a backup restores an object with a new
//! UID, and the record still carries the old one.
//!
//! Invariant: nobody takes over a client who could not have had it. Whoever may create objects in a namespace that was deleted and
//! created again is somebody else, as far as anybody knows, so that takes a permission in the operator's namespace.

use super::marker;
use super::record::{Phase, Record};
use super::secret::SecretRevision;

/// The record of a registered client of an earlier object.
#[derive(Clone, Debug)]
pub struct EarlierRecord {
    /// The record.
    pub record: Record,
    /// Its version.
    pub revision: SecretRevision,
    /// UID of the object that may take it over whatever the UID of its namespace, as an annotation says.
    pub restore_to: Option<String>,
}

/// What was found of earlier objects of a namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// Their records.
    pub records: Vec<EarlierRecord>,
    /// Names of those that cannot be read.
    pub unreadable: Vec<String>,
    /// UID of the namespace, as the API server has it now, where namespaces can be read.
    pub namespace_uid: Option<String>,
}

/// Who asks for a record.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// UID of the object.
    pub uid: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Identity of the cluster.
    pub cluster_id: &'a str,
    /// Namespace of the records.
    pub operator_namespace: &'a str,
}

/// What becomes of an object that finds records of earlier objects.
#[derive(Debug)]
pub enum Judgement<'a> {
    /// It has nothing to do with them.
    Unrelated,
    /// It may not take the record over, for this reason.
    Refused(String),
    /// It takes this record over, if the provider is the same.
    TakesOver(&'a EarlierRecord),
}

impl Earlier {
    /// The record of the object of this UID.
    #[must_use]
    pub fn of(&self, uid: &str) -> Option<&EarlierRecord> {
        self.records.iter().find(|earlier| earlier.record.owner.uid == uid)
    }

    /// Judges whether the object takes one of them over.
    #[must_use]
    pub fn judge(&self, asking: &Asking<'_>) -> Judgement<'_> {
        let concerns = |record: &Record| {
            let owner = &record.owner;
            record.cluster_id == asking.cluster_id
                && record.phase == Phase::Registered
                && owner.uid != asking.uid
                && (owner.namespace.as_str(), owner.name.as_str()) == (asking.namespace, asking.name)
        };
        let found: Vec<_> = self
            .records
            .iter()
            .filter(|earlier| concerns(&earlier.record))
            .collect();
        if let Some(name) = self.unreadable.first() {
            return Judgement::Refused(format!(
                "record {}/{name} belongs to an earlier OAuthClient of this name and cannot be read, so nothing is registered; restore that Secret from a \
                 backup, or {}",
                asking.operator_namespace,
                acknowledge(asking, name)
            ));
        }
        let earlier = match found.as_slice() {
            [] => return Judgement::Unrelated,
            [earlier] => *earlier,
            [first, ..] => {
                let name = marker::record_name(&first.record.owner.uid);
                return Judgement::Refused(format!(
                    "{} records of registered clients belong to earlier OAuthClients of this name, so nothing is registered; keep the one whose client the \
                     application uses, and for each other one, {}",
                    found.len(),
                    acknowledge(asking, &name)
                ));
            }
        };
        if earlier.record.in_flight.is_some() {
            return Judgement::Refused(refusal(
                asking,
                earlier,
                "the answer to its last update never came, so its token may be another one",
            ));
        }
        let same = earlier.record.namespace_uid.is_some() && earlier.record.namespace_uid == self.namespace_uid;
        if !same && earlier.restore_to.as_deref() != Some(asking.uid) {
            let name = marker::record_name(&earlier.record.owner.uid);
            let why = if earlier.record.namespace_uid.is_some() && self.namespace_uid.is_some() {
                "namespace {} was deleted and created again since"
            } else {
                "whether namespace {} is still the same cannot be told"
            };
            let allow = format!(
                "{}. If this OAuthClient is the restored one, let it take the client over: kubectl -n {} annotate secret {name} {}={}",
                why.replace("{}", asking.namespace),
                asking.operator_namespace,
                crate::api::names::RESTORE_TO,
                asking.uid
            );
            return Judgement::Refused(refusal(asking, earlier, &allow));
        }
        Judgement::TakesOver(earlier)
    }
}

/// Why a record is not taken over, and how a new client is registered instead.
#[must_use]
pub fn refusal(asking: &Asking<'_>, earlier: &EarlierRecord, why: &str) -> String {
    let name = marker::record_name(&earlier.record.owner.uid);
    format!(
        "client {} is registered for an earlier OAuthClient of this name (UID {}) and is not taken over: {why}. To have a new client registered instead, {}",
        earlier.record.client_id,
        earlier.record.owner.uid,
        acknowledge(asking, &name)
    )
}

fn acknowledge(asking: &Asking<'_>, name: &str) -> String {
    format!(
        "delete its client at the provider, then run: oauth-client-operator suspects ack --unmatched {name} --namespace {}",
        asking.operator_namespace
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::InFlight;
    use crate::domain::record::tests::record;

    const ASKING: Asking<'_> = Asking {
        uid: "new",
        namespace: "ns",
        name: "app",
        cluster_id: "cluster",
        operator_namespace: "system",
    };

    fn earlier(change: impl FnOnce(&mut EarlierRecord)) -> EarlierRecord {
        let mut earlier = EarlierRecord {
            record: Record {
                namespace_uid: Some("n".to_owned()),
                ..record()
            },
            revision: SecretRevision {
                uid: "s".to_owned(),
                resource_version: "1".to_owned(),
            },
            restore_to: None,
        };
        change(&mut earlier);
        earlier
    }

    fn found(records: Vec<EarlierRecord>, namespace_uid: Option<&str>) -> Earlier {
        Earlier {
            records,
            unreadable: Vec::new(),
            namespace_uid: namespace_uid.map(str::to_owned),
        }
    }

    fn refused(found: &Earlier) -> String {
        match found.judge(&ASKING) {
            Judgement::Refused(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn t210_a_record_is_taken_over_in_the_same_namespace_of_the_same_installation() {
        let same = found(vec![earlier(|_| ())], Some("n"));
        assert!(matches!(same.judge(&ASKING), Judgement::TakesOver(_)));
        let unrelated: [fn(&mut Record); 5] = [
            |r| r.cluster_id = "other".to_owned(),
            |r| r.phase = Phase::Deleting,
            |r| r.owner.name = "other".to_owned(),
            |r| r.owner.namespace = "other".to_owned(),
            |r| r.owner.uid = "new".to_owned(),
        ];
        for (number, change) in unrelated.into_iter().enumerate() {
            let found = found(vec![earlier(|e| change(&mut e.record))], Some("n"));
            assert!(matches!(found.judge(&ASKING), Judgement::Unrelated), "{number}");
        }
        assert!(matches!(found(vec![], Some("n")).judge(&ASKING), Judgement::Unrelated));
    }

    #[test]
    fn t211_another_namespace_needs_a_permission_that_names_this_object() {
        for (recorded, now) in [
            (Some("n"), Some("m")),
            (None, Some("n")),
            (Some("n"), None),
            (None, None),
        ] {
            let with = |restore_to: Option<&str>| {
                let record = earlier(|e| {
                    e.record.namespace_uid = recorded.map(str::to_owned);
                    e.restore_to = restore_to.map(str::to_owned);
                });
                found(vec![record], now)
            };
            let text = refused(&with(None));
            assert!(
                text.contains(
                    "kubectl -n system annotate secret oauthclient-u oauth-client-operator.dev/restore-to=new"
                ) && text.contains("suspects ack --unmatched oauthclient-u --namespace system"),
                "{text}"
            );
            assert_eq!(refused(&with(Some("another"))), text);
            assert!(matches!(with(Some("new")).judge(&ASKING), Judgement::TakesOver(_)));
        }
    }

    #[test]
    fn t211_what_cannot_be_told_is_refused_with_what_to_do() {
        let in_flight = found(
            vec![earlier(|e| {
                e.record.in_flight = Some(InFlight::default());
                e.restore_to = Some("new".to_owned());
            })],
            Some("n"),
        );
        assert!(refused(&in_flight).contains("never came"));
        let two = found(
            vec![earlier(|_| ()), earlier(|e| e.record.owner.uid = "v".to_owned())],
            Some("n"),
        );
        assert!(refused(&two).starts_with("2 records"));
        let unreadable = Earlier {
            unreadable: vec!["oauthclient-w".to_owned()],
            ..found(vec![], Some("n"))
        };
        assert!(refused(&unreadable).contains("record system/oauthclient-w"));
    }
}
