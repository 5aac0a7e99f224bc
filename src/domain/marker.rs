//! The create journal: the annotation that says a registration may be under way.

use std::borrow::Cow;
use std::fmt;

/// Value of the create-pending annotation: `<uid>/<attempt>/<record namespace>/<record name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker<'a> {
    /// UID of the object that the attempt was made for. On an object with another UID the marker is void.
    pub uid: Cow<'a, str>,
    /// The attempt, fresh for every POST.
    pub attempt: Cow<'a, str>,
    /// Namespace of the record: the operator's.
    pub record_namespace: Cow<'a, str>,
    /// Name of the record.
    pub record_name: Cow<'a, str>,
}

impl<'a> Marker<'a> {
    /// Reads an annotation value. `None` if it was not written by this operator.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut parts = value.split('/').map(Cow::Borrowed);
        let marker = Self {
            uid: parts.next()?,
            attempt: parts.next()?,
            record_namespace: parts.next()?,
            record_name: parts.next()?,
        };
        let complete = parts.next().is_none()
            && [
                &marker.uid,
                &marker.attempt,
                &marker.record_namespace,
                &marker.record_name,
            ]
            .iter()
            .all(|p| !p.is_empty());
        complete.then_some(marker)
    }
}

impl fmt::Display for Marker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.uid, self.attempt, self.record_namespace, self.record_name
        )
    }
}

/// Name of the record of an object.
#[must_use]
pub fn record_name(uid: &str) -> String {
    format!("oauthclient-{uid}")
}

/// Name of the entry of a suspected stray client.
#[must_use]
pub fn suspect_name(uid: &str, attempt: &str) -> String {
    format!("oauthclient-suspect-{uid}-{attempt}")
}

/// Whether this is the name of such an entry.
#[must_use]
pub fn is_suspect_name(name: &str) -> bool {
    name.starts_with("oauthclient-suspect-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_survives_its_text_form() {
        let marker = Marker::parse("u-1/a-1/system/oauthclient-u-1").unwrap();
        assert_eq!(Marker::parse(&marker.to_string()), Some(marker));
    }

    #[test]
    fn names_are_those_of_object_and_attempt() {
        assert_eq!(record_name("u-1"), "oauthclient-u-1");
        assert_eq!(suspect_name("u-1", "a-1"), "oauthclient-suspect-u-1-a-1");
        assert!(is_suspect_name(&suspect_name("u-1", "a-1")) && !is_suspect_name(&record_name("u-1")));
    }

    #[test]
    fn foreign_values_are_no_marker() {
        for value in ["", "a/b/c", "a/b/c/d/e", "a//c/d", "true"] {
            assert_eq!(Marker::parse(value), None, "{value}");
        }
    }
}
