//! Accounts inside organizations, and optionally inside one of their workspaces. Their rules that need no database.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use decision::name::NodeName;
use serde_json::{Value, json};
use service::fields::Etag;

use crate::status::Error;

/// An account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) name: NodeName,
    /// The workspace that it is in; none: directly in the organization.
    pub(crate) workspace: Option<NodeName>,
    pub(crate) display_name: String,
    pub(crate) paused: bool,
    pub(crate) deleted: bool,
    /// When it was deleted, if it is.
    pub(crate) delete_time: Option<DateTime<Utc>>,
    /// From when on it cannot be undeleted any more, if it is deleted.
    pub(crate) purge_time: Option<DateTime<Utc>>,
    /// The components enabled by its parent; none if unset.
    pub(crate) ceiling: Option<BTreeSet<String>>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// What to create.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccountDraft {
    pub(crate) name: NodeName,
    pub(crate) workspace: Option<NodeName>,
    pub(crate) display_name: String,
}

impl AccountDraft {
    /// The node that it is to be in.
    pub(crate) fn parent(&self) -> NodeName {
        self.workspace.clone().unwrap_or_else(|| self.name.organization())
    }
}

impl Account {
    /// A new one.
    pub(crate) fn new(draft: AccountDraft, now: DateTime<Utc>) -> Self {
        let AccountDraft { name, workspace, display_name } = draft;
        Self {
            name,
            workspace,
            display_name,
            paused: false,
            deleted: false,
            delete_time: None,
            purge_time: None,
            ceiling: None,
            create_time: now,
            update_time: now,
            version: 1,
        }
    }

    /// The node that it is in.
    pub(crate) fn parent(&self) -> NodeName {
        self.workspace.clone().unwrap_or_else(|| self.name.organization())
    }

    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect_seen(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }

    /// The same, and it allows changes.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        self.expect_seen(etag)?;
        if self.deleted {
            return Err(self.wrong_state("deleted", "undelete it first"));
        }
        Ok(())
    }

    fn wrong_state(&self, state: &'static str, remedy: &'static str) -> Error {
        Error::WrongState { name: self.name.to_string(), state, remedy }
    }

    fn next(&self, now: DateTime<Utc>) -> Self {
        Self { update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// By another display name; none: the same.
    pub(crate) fn renamed(&self, display_name: Option<String>, now: DateTime<Utc>) -> Self {
        Self { display_name: display_name.unwrap_or_else(|| self.display_name.clone()), ..self.next(now) }
    }

    /// Deleted, to be purged at that time.
    pub(crate) fn ended(&self, now: DateTime<Utc>, purge_time: DateTime<Utc>) -> Self {
        Self { deleted: true, delete_time: Some(now), purge_time: Some(purge_time), ..self.next(now) }
    }

    /// No longer deleted; otherwise as it was before.
    pub(crate) fn restored(&self, now: DateTime<Utc>) -> Self {
        Self { deleted: false, delete_time: None, purge_time: None, ..self.next(now) }
    }

    /// Paused; WRONG_STATE if it is already.
    pub(crate) fn paused(&self, now: DateTime<Utc>) -> Result<Self, Error> {
        if self.paused {
            return Err(self.wrong_state("paused", "it need not be paused again"));
        }
        Ok(Self { paused: true, ..self.next(now) })
    }

    /// Resumed; WRONG_STATE if it is not paused.
    pub(crate) fn resumed(&self, now: DateTime<Utc>) -> Result<Self, Error> {
        if !self.paused {
            return Err(self.wrong_state("not paused", "only a paused one can be resumed"));
        }
        Ok(Self { paused: false, ..self.next(now) })
    }

    /// In another workspace; none: directly in the organization. WRONG_STATE if it is there already.
    pub(crate) fn moved(&self, workspace: Option<&NodeName>, now: DateTime<Utc>) -> Result<Self, Error> {
        if self.workspace.as_ref() == workspace {
            return Err(self.wrong_state("there already", "it need not be moved"));
        }
        Ok(Self { workspace: workspace.cloned(), ..self.next(now) })
    }

    /// With another ceiling.
    pub(crate) fn with_ceiling(&self, ceiling: Option<BTreeSet<String>>, now: DateTime<Utc>) -> Self {
        Self { ceiling, ..self.next(now) }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        json!({
            "workspace": self.workspace.as_ref().map(NodeName::as_str),
            "display_name": self.display_name,
            "paused": self.paused,
            "deleted": self.deleted,
            "ceiling": self.ceiling,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_paused_once_and_resumed_once() {
        let name = NodeName::parse("organizations/acme/accounts/a1").unwrap();
        let account = Account::new(AccountDraft { name, workspace: None, display_name: "One".into() }, Utc::now());
        assert_eq!(account.parent().as_str(), "organizations/acme");
        assert!(account.resumed(Utc::now()).is_err());
        let paused = account.paused(Utc::now()).unwrap();
        assert!(paused.paused(Utc::now()).is_err());
        assert!(!paused.resumed(Utc::now()).unwrap().paused);
    }
}
