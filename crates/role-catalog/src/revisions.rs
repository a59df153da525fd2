//! Revisions that were read stay in memory, up to a bound: they never change, and reading one costs as much as its document is long.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use decision::model::RoleModel;
use ledger::StoreError;
use sea_orm::ConnectionTrait;

use crate::{
    role_model::{Revision, RoleModelName},
    status::Error,
    store::role_model as store,
};

/// Most bytes of documents, as they are stored, that stay.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The revisions of role models, as they are stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revisions {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    revisions: HashMap<(String, u32), Entry>,
    bytes: usize,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    revision: Arc<Revision>,
    /// Compiled, once somebody needed that.
    model: Option<Arc<RoleModel>>,
    bytes: usize,
    last_used: u64,
}

impl Revisions {
    /// A revision.
    pub(crate) async fn find(
        &self,
        db: &impl ConnectionTrait,
        name: &RoleModelName,
        number: u32,
    ) -> Result<Option<Arc<Revision>>, StoreError> {
        let key = (name.id().to_owned(), number);
        if let Some(revision) = self.kept().get(&key) {
            return Ok(Some(revision));
        }
        let Some((revision, bytes)) = store::find(db, name, number).await? else { return Ok(None) };
        let revision = Arc::new(revision);
        self.kept().keep(key, revision.clone(), bytes);
        Ok(Some(revision))
    }

    /// The latest revision.
    pub(crate) async fn latest(&self, db: &impl ConnectionTrait, name: &RoleModelName) -> Result<Option<Arc<Revision>>, StoreError> {
        match store::latest_number(db, name).await? {
            Some(number) => self.find(db, name, number).await,
            None => Ok(None),
        }
    }

    /// A revision, compiled. It may take a processor for a while; see [`crate::checking`].
    pub(crate) fn compiled(&self, revision: &Revision) -> Result<Arc<RoleModel>, Error> {
        let key = (revision.document.model.clone(), revision.number);
        if let Some(model) = self.kept().revisions.get(&key).and_then(|entry| entry.model.clone()) {
            return Ok(model);
        }
        let model = RoleModel::compile(revision.document.clone()).map_err(|_| Error::StoredInvalid(revision.name()))?;
        let model = Arc::new(model);
        if let Some(entry) = self.kept().revisions.get_mut(&key) {
            entry.model = Some(model.clone());
        }
        Ok(model)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Whatever a panic left is a subset of what is stored.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn get(&mut self, key: &(String, u32)) -> Option<Arc<Revision>> {
        self.uses += 1;
        let entry = self.revisions.get_mut(key)?;
        entry.last_used = self.uses;
        Some(entry.revision.clone())
    }

    /// Keeps one; what was not used for longest makes room.
    fn keep(&mut self, key: (String, u32), revision: Arc<Revision>, bytes: usize) {
        if bytes > MOST_BYTES || self.revisions.contains_key(&key) {
            return;
        }
        while self.bytes + bytes > MOST_BYTES {
            let oldest = self.revisions.iter().min_by_key(|(_, entry)| entry.last_used).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| self.revisions.remove(&key)) else { break };
            self.bytes -= gone.bytes;
        }
        self.bytes += bytes;
        self.revisions.insert(key, Entry { revision, model: None, bytes, last_used: self.uses });
    }
}

#[cfg(test)]
mod tests {
    use decision::document::Document;

    use super::*;

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let mut kept = Kept::default();
        let revision = Arc::new(Revision { number: 1, document: Document::default(), create_time: chrono::Utc::now() });
        let key = |id: &str| (id.to_owned(), 1);
        for id in ["a", "b"] {
            kept.keep(key(id), revision.clone(), MOST_BYTES / 2);
        }
        assert!(kept.get(&key("b")).is_some() && kept.get(&key("a")).is_some());
        kept.keep(key("c"), revision.clone(), MOST_BYTES / 2);
        assert!(kept.get(&key("b")).is_none() && kept.get(&key("a")).is_some() && kept.get(&key("c")).is_some());
        kept.keep(key("d"), revision, MOST_BYTES + 1);
        assert!(kept.get(&key("d")).is_none() && kept.bytes == MOST_BYTES);
    }
}
