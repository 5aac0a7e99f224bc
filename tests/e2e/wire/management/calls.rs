//! One call at a time, with the one token, until it is done.

use super::*;

/// A token that is used twice at the same time, or at another client's URI, is refused.
async fn no_call_was_refused(provider: &OidcProvider) {
    let requests = provider.requests().await.unwrap();
    let mut calls = requests.iter().filter(|request| request.path.starts_with("/reg"));
    assert!(calls.all(|request| request.status < 400), "{requests:#?}");
}

#[test]
fn w46_calls_of_one_client_never_overlap() {
    case("w46", async |case| {
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.ready_app("", "0").await;
        let slow = of_updates(1000, OidcFaultKind::Delay { ms: 150 });
        provider.faults(&[slow]).await.unwrap();
        for round in 1..=25 {
            case.app("", &round.to_string()).await;
            case.look_again("", &round.to_string()).await;
        }
        case.ready("").await;
        no_call_was_refused(&provider).await;
        judge_at(case, &provider).await;
    });
}

/// oidc-provider destroys a token that is used at another client's URI.
#[test]
fn w47_no_token_is_ever_shown_to_another_client() {
    case("w47", async |case| {
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        let names = ["a", "b", "c", "d"];
        for round in 0..3 {
            for suffix in names {
                case.app(suffix, &format!("{suffix}-{round}")).await;
            }
            for (number, suffix) in names.iter().enumerate() {
                case.ready(suffix).await;
                case.app(suffix, &format!("{suffix}-{round}-again")).await;
                if (number + round) % 2 == 0 {
                    case.ready(suffix).await;
                    case.delete(suffix).await;
                }
            }
            for (number, suffix) in names.iter().enumerate() {
                if (number + round) % 2 == 0 {
                    case.gone(suffix).await;
                } else {
                    case.ready(suffix).await;
                }
            }
        }
        no_call_was_refused(&provider).await;
        judge_at(case, &provider).await;
    });
}

/// An update that fails at the provider is not repeated without end in a short time, and ends as soon as it can.
#[test]
fn w44_an_update_that_fails_is_repeated_until_it_is_done() {
    case("w44b", async |case| {
        let double = case.double().await;
        case.ready_app("", "one").await;
        let mut left = 4;
        double.script(move |seen| {
            (is_put(seen) && left > 0).then(|| {
                left -= 1;
                Fault::Answer(Reply::empty([500, 502, 504, 429][left]))
            })
        });
        case.ready_app("", "two").await;
        assert_eq!(double.count("PUT", ""), 5);
        judge(case, &double, &[]).await;
    });
}
