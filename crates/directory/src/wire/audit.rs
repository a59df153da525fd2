//! The audit trail: messages to values and back.

use api::{directory::v1 as proto, document};
use decision::name::{NodeKind, NodeName, UserName, is_id};
use ledger::{AuditQuery, AuditRecord, AuditScope};
use prost_types::{Struct, value::Kind};
use serde_json::Value;
use service::{
    Service,
    call::{Call, Page},
    fields::{Fields, timestamp},
};
use tonic::{Request, Status};

/// `organization.reactivate` has 23.
const LONGEST_ACTION: usize = 100;

/// Whose entries are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    Everything,
    Node(NodeName),
    /// A user, or a role model.
    OutsideTrees(String),
}

impl Parent {
    fn parse(text: &str) -> Option<Self> {
        let outside = UserName::parse(text).is_ok() || text.strip_prefix("roleModels/").is_some_and(is_id);
        match text {
            "" => Some(Self::Everything),
            _ if outside => Some(Self::OutsideTrees(text.to_owned())),
            _ => NodeName::parse(text).ok().map(Self::Node),
        }
    }

    fn scope(&self) -> AuditScope {
        match self {
            Self::Everything => AuditScope::Everything,
            Self::OutsideTrees(name) => AuditScope::Owner(name.clone()),
            Self::Node(node) => match node.kind() {
                NodeKind::Organization => AuditScope::Owner(node.to_string()),
                NodeKind::Workspace | NodeKind::Account => AuditScope::Node(node.to_string()),
                NodeKind::Leaf { .. } => AuditScope::Resource(node.to_string()),
            },
        }
    }
}

pub(crate) fn read_list(
    service: &Service,
    request: &Request<proto::ListAuditEntriesRequest>,
) -> Result<(Call, Page, Parent, AuditQuery), Status> {
    let call = Call::reading(request, "directory.v1.AuditService/ListAuditEntries")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let parent = Parent::parse(&message.parent);
    if parent.is_none() {
        fields.wrong("parent", "the name of an organization, workspace, account or resource, of a user or role model, or empty");
    }
    let actor = match message.actor.as_str() {
        "" => None,
        text => fields.parse("actor", text, UserName::parse).map(|user| user.to_string()),
    };
    let action = (!message.action.is_empty()).then(|| fields.text("action", &message.action, LONGEST_ACTION, false));
    let since = fields.time("start_time", message.start_time.as_ref());
    let until = fields.time("end_time", message.end_time.as_ref());
    let before = page.after.as_deref().and_then(read_place);
    let limit = u32::try_from(page.size).unwrap_or(u32::MAX);
    let query = parent.map(|parent| {
        let query = AuditQuery { scope: parent.scope(), actor, action, since, until, before, limit };
        (parent, query)
    });
    let (parent, query) = fields.finish(query)?;
    Ok((call, page, parent, query))
}

/// The place of an entry, as page tokens have it.
pub(crate) fn write_place((revision, entry): (u64, u32)) -> String {
    format!("{revision}.{entry}")
}

fn read_place(text: &str) -> Option<(u64, u32)> {
    let (revision, entry) = text.split_once('.')?;
    Some((revision.parse().ok()?, entry.parse().ok()?))
}

pub(crate) fn write(record: &AuditRecord) -> proto::AuditEntry {
    let AuditRecord { revision, entry, at, caller, actor, method, request_id, what } = record;
    proto::AuditEntry {
        action: what.action.clone(),
        resource: what.resource.clone(),
        node: what.node.clone().unwrap_or_default(),
        before: what.before.as_ref().map(structure),
        after: what.after.as_ref().map(structure),
        actor: actor.clone(),
        caller: caller.clone(),
        method: method.clone(),
        request_id: request_id.map(|id| id.to_string()).unwrap_or_default(),
        create_time: timestamp(*at),
        commit: *revision,
        entry: *entry,
    }
}

/// What is not an object is the only field of one: every state that is audited is one, but the trail takes any.
fn structure(value: &Value) -> Struct {
    match document::from_json(value).kind {
        Some(Kind::StructValue(fields)) => fields,
        kind => Struct { fields: [("value".to_owned(), prost_types::Value { kind })].into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_says_what_the_trail_is_of() {
        let scope = |text: &str| Parent::parse(text).map(|parent| parent.scope());
        let name = ToOwned::to_owned;
        assert_eq!(scope(""), Some(AuditScope::Everything));
        assert_eq!(scope("organizations/acme"), Some(AuditScope::Owner(name("organizations/acme"))));
        assert_eq!(scope("users/ann"), Some(AuditScope::Owner(name("users/ann"))));
        assert_eq!(scope("roleModels/agency"), Some(AuditScope::Owner(name("roleModels/agency"))));
        let emea = "organizations/acme/workspaces/emea";
        assert_eq!(scope(emea), Some(AuditScope::Node(name(emea))));
        let leaf = "organizations/acme/workspaces/emea/campaigns/42";
        assert_eq!(scope(leaf), Some(AuditScope::Resource(name(leaf))));
        for text in ["acme", "users/", "roleModels/", "organizations/acme/"] {
            assert_eq!(scope(text), None, "{text}");
        }
    }

    #[test]
    fn a_place_reads_back() {
        assert_eq!(read_place(&write_place((7, 12))), Some((7, 12)));
    }
}
