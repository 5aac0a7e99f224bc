use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Thing(&'static str, &'static str);

impl Versioned for Thing {
    fn uid(&self) -> &str {
        self.0
    }
    fn version(&self) -> &str {
        self.1
    }
}

fn key() -> Key {
    Key::new("shop", "web")
}

fn put(space: &mut NamespacedCache<Thing>, uid: &'static str, version: &'static str, source: Source) -> Put<Thing> {
    let epoch = space.epoch;
    space.put(&key(), Thing(uid, version), source, epoch)
}

#[tokio::test(start_paused = true)]
async fn an_older_event_does_not_take_an_own_write_back() {
    let mut space = NamespacedCache::default();
    put(&mut space, "a", "5", Source::Watch);
    put(&mut space, "a", "9", Source::Own);
    assert_eq!(put(&mut space, "a", "7", Source::Watch), Put::Stale);
    assert_eq!(space.get("shop", "web"), Some(&Thing("a", "9")));
    assert_eq!(put(&mut space, "a", "9", Source::Watch), Put::Same);
    assert!(space.unconfirmed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_own_write_that_is_answered_late_does_not_take_a_newer_event_back() {
    let mut space = NamespacedCache::default();
    put(&mut space, "a", "5", Source::Watch);
    put(&mut space, "a", "9", Source::Watch);
    assert_eq!(put(&mut space, "a", "7", Source::Own), Put::Stale);
    assert_eq!(space.get("shop", "web"), Some(&Thing("a", "9")));
    assert_eq!(
        put(&mut space, "b", "8", Source::Own),
        Put::Replaced(Some(Thing("a", "9")))
    );
}

#[tokio::test(start_paused = true)]
async fn versions_that_turn_back_are_believed_after_the_hold() {
    let mut space = NamespacedCache::default();
    put(&mut space, "a", "900", Source::Own);
    tokio::time::advance(HOLD).await;
    assert_eq!(
        put(&mut space, "a", "7", Source::Watch),
        Put::Replaced(Some(Thing("a", "900")))
    );
}

#[tokio::test(start_paused = true)]
async fn versions_are_compared_as_numbers() {
    let mut space = NamespacedCache::default();
    put(&mut space, "a", "10", Source::Own);
    assert_eq!(put(&mut space, "a", "9", Source::Watch), Put::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_is_not_resurrected_but_its_successor_is_seen() {
    let mut space = NamespacedCache::default();
    put(&mut space, "a", "5", Source::Watch);
    assert_eq!(space.remove_own(&key(), "a"), Some(Thing("a", "5")));
    assert_eq!(put(&mut space, "a", "6", Source::Watch), Put::Stale);
    assert_eq!(put(&mut space, "b", "8", Source::Watch), Put::Replaced(None));
    assert_eq!(space.iter().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_deletion_of_a_predecessor_leaves_the_own_object() {
    let mut space = NamespacedCache::default();
    put(&mut space, "b", "9", Source::Own);
    assert_eq!(space.remove(&key(), "7"), None);
    assert_eq!(space.remove(&key(), "12"), Some(Thing("b", "9")));
    assert_eq!(space.iter().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_removes_what_it_lacks_in_its_namespace_only() {
    let mut space = NamespacedCache::default();
    for (namespace, name) in [("shop", "web"), ("shop", "old"), ("bank", "web")] {
        space.put(&Key::new(namespace, name), Thing("a", "1"), Source::Watch, 0);
    }
    let epoch = space.begin();
    space.put(&Key::new("shop", "web"), Thing("a", "1"), Source::Watch, epoch);
    space.put(&Key::new("shop", "mine"), Thing("m", "4"), Source::Own, 0);
    assert_eq!(
        space.sweep(Some("shop"), epoch),
        [(Key::new("shop", "old"), Thing("a", "1"))]
    );
    assert!(space.get("shop", "old").is_none());
    assert!(space.get("shop", "mine").is_some());
    assert!(space.get("bank", "web").is_some());
    assert_eq!(space.iter().count(), 3);
}
