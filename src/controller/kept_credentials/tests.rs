use super::*;

fn kept(name: &str) -> Kept {
    Kept {
        key: ProviderKey::namespaced("ns", name),
        generation: 1,
        settings: Arc::default(),
        secrets: AllRead::default(),
        needs_authorities: false,
        vanished: None,
    }
}

fn store() -> KeptCredentials {
    let store = KeptCredentials::default();
    for name in ["a", "b"] {
        store.put(name.to_owned(), kept(name));
    }
    store
}

fn held(store: &KeptCredentials, clock: Clock) -> (bool, bool) {
    (store.get("a", clock).is_some(), store.get("b", clock).is_some())
}

const FOUR: Duration = Duration::from_mins(4);

#[tokio::test(start_paused = true)]
async fn t140_what_vanished_is_kept_for_its_time_and_what_is_there_for_ever() {
    let (store, clock) = (store(), Clock::scaled(1));
    store.limit(|uid, _| uid == "a", |_| FOUR);
    tokio::time::advance(Duration::from_secs(239)).await;
    assert_eq!(store.forget_expired(clock), Some(Duration::from_secs(1)));
    assert_eq!(held(&store, clock), (true, true));
    // Missed again, by the other watch: the first time counts.
    store.limit(|_, of| *of == ProviderKey::namespaced("ns", "a"), |_| FOUR);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(held(&store, clock), (false, true), "before anybody has tidied up");
    assert_eq!(store.forget_expired(clock), None);
    assert_eq!(store.lock().iter().count(), 1);
    store.put("a".to_owned(), kept("a"));
    tokio::time::advance(FOUR * 2).await;
    assert_eq!(held(&store, clock), (true, true), "it returned");
    store.forget("a");
    assert_eq!(held(&store, clock), (false, true));
}

#[tokio::test(start_paused = true)]
async fn t140_what_has_been_kept_for_long_enough_leaves_the_memory_by_itself() {
    let store = Arc::new(store());
    let clock = Clock::scaled(60);
    let tidying = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.expire(clock).await }
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    store.limit(|uid, _| uid == "a", |_| FOUR);
    store.limit(|uid, _| uid == "b", |_| FOUR * 2);
    let left = |store: &KeptCredentials| store.lock().iter().count();
    tokio::time::sleep(Duration::from_millis(3990)).await;
    assert_eq!(left(&store), 2);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(left(&store), 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(left(&store), 0);
    tidying.abort();
}

#[test]
fn t140_no_more_is_kept_than_the_bound() {
    let store = KeptCredentials::default();
    for number in 0..10_000 {
        store.put(number.to_string(), kept("many"));
    }
    assert_eq!(store.lock().iter().count(), MOST_BYTES / ENTRY);
}

#[test]
fn t287_authorities_drive_no_kept_credentials_out() {
    let store = KeptCredentials::default();
    let clock = Clock::scaled(1);
    store.put("plain".to_owned(), kept("plain"));
    let bundle = "x".repeat(256 * 1024);
    let settings = ProviderSettings {
        tls: Some(crate::api::Tls {
            ca_bundle: Some(bundle.clone()),
            ..crate::api::Tls::default()
        }),
        ..ProviderSettings::default()
    };
    for number in 0..50 {
        let large = Kept {
            settings: Arc::new(settings.clone()),
            ..kept("large")
        };
        store.put(number.to_string(), large);
    }
    assert!(store.get("plain", clock).is_some());
    let whole = |uid: &str| store.get(uid, clock).map(|kept| kept.settings.tls.clone());
    let found: Vec<_> = (0..50).filter_map(|number| whole(&number.to_string())).collect();
    assert_eq!(found.len(), MOST_BYTES_OF_AUTHORITIES / bundle.len());
    assert!(
        found.iter().all(|tls| *tls == settings.tls),
        "none is without its authorities"
    );
    // Read again, it keeps them.
    let (uid, again) = store.of(&ProviderKey::namespaced("ns", "large")).remove(0);
    store.put(uid.clone(), again);
    assert_eq!(whole(&uid), Some(settings.tls));
    store.forget(&uid);
    assert!(whole(&uid).is_none() && store.authorities().get(&uid).is_none());
}
