use std::collections::BTreeMap;

use super::*;
use crate::api::names;

/// A Secret of this role, with or without the label that names its object.
fn head(namespace: &str, name: &str, role: Role, version: &str, object: Option<&str>) -> ObjectMeta {
    let mut labels = BTreeMap::from([(names::SECRET_ROLE.to_owned(), role.as_str().to_owned())]);
    labels.extend(object.map(|object| (names::OBJECT.to_owned(), object.to_owned())));
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(name.to_owned()),
        resource_version: Some(version.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

#[test]
fn one_record_without_the_label_of_its_object_is_known_until_it_gets_the_label_or_goes() {
    let index = SecretIndex::new("system");
    let family = Family::Written;
    let epoch = index.begin(family);
    let see = |head: ObjectMeta| index.seen(family, head, epoch);
    assert!(index.names_objects(), "there is no record");
    see(head("system", "a", Role::Record, "1", Some("1f")));
    see(head("system", "suspect", Role::Suspect, "2", None));
    see(head("tenant", "forged", Role::Record, "3", None));
    assert!(index.names_objects(), "only records of the operator's namespace count");
    see(head("system", "b", Role::Record, "4", None));
    see(head("system", "c", Role::Record, "5", None));
    assert!(!index.names_objects());
    see(head("system", "b", Role::Record, "6", Some("2f")));
    assert!(!index.names_objects(), "one is left");
    index.note_delete("system", "c", "c");
    assert!(index.names_objects());
    index.note_write(head("system", "b", Role::Record, "7", None));
    assert!(!index.names_objects());
    index.gone(family, &head("system", "b", Role::Record, "8", None));
    assert!(index.names_objects());
}
