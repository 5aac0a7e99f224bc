//! Users at work: objects are created, changed, deleted and created again, and their Secrets edited and deleted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{Dice, Failure, Ground};

/// What users did, by kind.
pub(super) type Done = BTreeMap<&'static str, usize>;

/// An object as a user writes it; `edition` tells its versions apart.
pub(super) fn manifest(number: u64, edition: u64) -> Result<DynamicObject, Failure> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "oauth-client-operator.dev/v1alpha1", "kind": "OAuthClient", "metadata": {"name": name(number)},
        "spec": {
            "providerRef": {"name": "provider"},
            "grantTypes": ["authorization_code", "client_credentials"],
            "redirectURIs": [format!("https://app.example/{edition}")],
            "deletionTimeout": "2m",
        },
    }))?)
}

pub(super) fn name(number: u64) -> String {
    format!("app-{number}")
}

/// One thing that a user does to one of `objects` objects of the first tenant. What the API server refuses, for the object
/// is not there or still there, is not done.
pub(super) async fn act(ground: &Ground<'_>, objects: u64, dice: &mut Dice, done: &mut Done) -> Result<(), Failure> {
    let (number, edition) = (dice.below(objects), dice.below(1_000_000));
    let (api, secrets, name) = (ground.objects(0), ground.secrets(0), name(number));
    let patch = PatchParams::default();
    let (kind, result) = match dice.below(10) {
        0..=3 => (
            "created",
            api.create(&PostParams::default(), &manifest(number, edition)?)
                .await
                .map(drop),
        ),
        4..=6 => {
            let change = json!({"spec": {"redirectURIs": [format!("https://app.example/{edition}")]}});
            (
                "changed",
                api.patch(&name, &patch, &Patch::Merge(change)).await.map(drop),
            )
        }
        7 => {
            let change = json!({"stringData": {"client_secret": "edited by hand"}});
            (
                "Secrets edited",
                secrets.patch(&name, &patch, &Patch::Merge(change)).await.map(drop),
            )
        }
        8 => (
            "Secrets deleted",
            secrets.delete(&name, &DeleteParams::default()).await.map(drop),
        ),
        _ => ("deleted", api.delete(&name, &DeleteParams::default()).await.map(drop)),
    };
    match result {
        Ok(()) => *done.entry(kind).or_default() += 1,
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Creates every object that is not there, some at a time.
pub(super) async fn complete(ground: &Ground<'_>, tenant: usize, objects: u64) -> Result<(), Failure> {
    const AT_ONCE: usize = 16;
    let mut creations = tokio::task::JoinSet::new();
    for number in 0..objects {
        let (api, object) = (ground.objects(tenant), manifest(number, 0)?);
        if creations.len() == AT_ONCE {
            created(creations.join_next().await)?;
        }
        creations.spawn(async move { api.create(&PostParams::default(), &object).await.map(drop) });
    }
    while !creations.is_empty() {
        created(creations.join_next().await)?;
    }
    Ok(())
}

type Creation = Result<Result<(), kube::Error>, tokio::task::JoinError>;

fn created(creation: Option<Creation>) -> Result<(), Failure> {
    match creation.transpose()?.transpose() {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Acts until told to stop, with pauses.
pub(super) async fn until(
    stop: &AtomicBool,
    ground: &Ground<'_>,
    objects: u64,
    dice: &mut Dice,
    pause: Duration,
) -> Result<Done, Failure> {
    let mut done = Done::new();
    while !stop.load(Ordering::Relaxed) {
        act(ground, objects, dice, &mut done).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(done)
}
