//! What outlived its object in the operator's namespace, as metrics and `oauth-client-operator suspects` name it.

use super::record::Phase;

/// What names a client in the operator's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// A record.
    Record,
    /// The entry of a suspect.
    Suspect,
    /// The entry of a client that its deletion left, because the provider deregisters none.
    Left,
}

/// What a record or a suspect entry is, once its object is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A client that may exist at a provider and that nothing owns.
    Suspect,
    /// A client that a deletion left at a provider that deregisters none. Nothing about it is in doubt.
    Left,
    /// The record of a client whose deletion is not finished. The sweeper finishes it.
    Tombstone,
    /// The record of a registered client whose object is not seen. Nothing is done about it: a restored backup, a narrower list of
    /// namespaces and a copied cluster look like that.
    Unmatched,
}

impl Kind {
    /// The word that people see.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Suspect => "Suspect",
            Self::Left => "Left",
            Self::Tombstone => "Tombstone",
            Self::Unmatched => "Unmatched",
        }
    }
}

/// What it is; `None` for a record whose object is there, and for one that its owner left on purpose. A record without a label of
/// its phase counts as registered, as for everything that must not touch it.
pub(crate) fn kind(held: Held, phase: Option<Phase>, has_object: impl FnOnce() -> bool) -> Option<Kind> {
    match held {
        Held::Suspect => return Some(Kind::Suspect),
        Held::Left => return Some(Kind::Left),
        Held::Record => {}
    }
    let kind = match phase {
        Some(Phase::Deleting | Phase::Deleted) => Kind::Tombstone,
        Some(Phase::Registered) | None => Kind::Unmatched,
        Some(Phase::Retained | Phase::Suspect) => return None,
    };
    (!has_object()).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t150_what_outlived_its_object_has_a_kind() {
        let without_object = |phase| kind(Held::Record, phase, || false);
        assert_eq!(kind(Held::Suspect, None, || true), Some(Kind::Suspect));
        assert_eq!(kind(Held::Suspect, Some(Phase::Suspect), || false), Some(Kind::Suspect));
        assert_eq!(kind(Held::Left, Some(Phase::Suspect), || true), Some(Kind::Left));
        assert_eq!(without_object(Some(Phase::Deleting)), Some(Kind::Tombstone));
        assert_eq!(without_object(Some(Phase::Deleted)), Some(Kind::Tombstone));
        assert_eq!(without_object(Some(Phase::Registered)), Some(Kind::Unmatched));
        assert_eq!(without_object(None), Some(Kind::Unmatched));
        assert_eq!(without_object(Some(Phase::Retained)), None);
        for phase in [Phase::Registered, Phase::Deleting, Phase::Deleted] {
            assert_eq!(kind(Held::Record, Some(phase), || true), None, "{phase:?}");
        }
    }
}
