//! The record of an earlier object, found and taken over.

use kube::ResourceExt;

use crate::cluster::ApiError;
use crate::controller::world::World;
use crate::domain::marker;
use crate::domain::pass::{self, Effect};
use crate::domain::record::Record;
use crate::domain::restore::{self, Earlier};
use crate::domain::secret;

use super::super::{Pass, observe};

impl<W: World> Pass<'_, W> {
    pub(super) async fn restore(&mut self, effect: Effect) {
        match effect {
            Effect::FindEarlier => {
                let answer = self.find_earlier().await;
                self.state.earlier_found(answer);
            }
            Effect::MarkEarlier(record) => self.mark_earlier(record).await,
            Effect::TakeOver(record) => self.take_over(record).await,
            Effect::RemoveEarlier(uid) => {
                let Some(revision) = self.state.earlier(&uid) else {
                    return;
                };
                let (home, name) = (&self.world.here().namespace, marker::record_name(&uid));
                let answer = self.world.delete_secret(home, &name, revision).await;
                self.state.earlier_removed(&uid, answer);
            }
            _ => {}
        }
    }

    async fn find_earlier(&self) -> Result<Earlier, ApiError> {
        let namespace = &self.key.namespace;
        let own = self.state.record_name();
        let listed = self.world.records_of(namespace, &self.key.name).await?;
        let namespace_uid = self.world.read_namespace_uid(namespace).await?;
        let mut read = Vec::new();
        for listed in restore::to_read(listed, &own, |uid| self.world.is_alive(uid)) {
            let secret = self
                .world
                .get_secret(&self.world.here().namespace, &listed.name)
                .await?;
            read.extend(secret.map(|secret| (listed, secret)));
        }
        Ok(pass::earlier(read, namespace_uid))
    }

    async fn mark_earlier(&mut self, record: Box<Record>) {
        let Some(secret) = self.record_secret(&record) else {
            return;
        };
        let Some(revision) = self.state.earlier(&record.owner.uid) else {
            return;
        };
        let home = &self.world.here().namespace;
        let patch = secret::record_patch(&secret);
        let answer = self.world.patch_secret(home, &secret.name_any(), revision, patch).await;
        self.state.earlier_marked(&record, answer);
    }

    async fn take_over(&mut self, record: Box<Record>) {
        let Some(secret) = self.record_secret(&record) else {
            return;
        };
        let answer = self.world.create_secret(&secret).await;
        let seen = observe::observed(self.world, &self.state, "");
        self.state.taken_over(record, answer, &seen);
    }
}
