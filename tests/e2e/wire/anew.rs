//! A client that is registered anew: whoever uses the old one is told.

use super::case;
use super::case::app;

#[test]
fn t143_a_registration_anew_is_reported_with_the_old_and_the_new_client_id() {
    case("t143", async |case| {
        let double = case.double().await;
        let before = case.ready_app("", "one").await["client_id"].clone();
        // Another client, which the provider accepts all the time.
        case.ready_app("other", "other").await;
        case.client("", app("changed")).await;
        case.ready("").await;
        double.regenerate_token(&before);
        double.regenerate_secret(&before);
        case.app("", "two").await;
        let note = case.warned("", "RegisteredAnew").await;
        case.ready("").await;
        let after = case.secret("").await.unwrap()["client_id"].clone();
        assert_ne!(after, before);
        assert!(note.contains(&before) && note.contains(&after), "{note}");
    });
}
