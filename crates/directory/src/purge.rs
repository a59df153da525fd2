//! Purges deleted nodes whose time is over: what hangs on them ends for good, in commits of bounded size. Their own rows and records stay, so that
//! their names are never used again. Beside it `sweep` ends what has expired.

use chrono::{DateTime, SubsecRound, Utc};
use decision::name::{NodeKind, NodeName};
use ledger::{Error as LedgerError, SystemAuthority, Write};
use serde_json::json;

use crate::{
    Directory, feed, store,
    sweep::{end_bindings, end_partnership, entry},
};

/// So much ends in one commit.
const BATCH: u64 = 500;
type Purging = Write<SystemAuthority>;

impl Directory {
    /// Purges the nodes that are due at this time. Returns how many are done with.
    pub async fn purge_due(&self, now: DateTime<Utc>) -> Result<usize, LedgerError> {
        let now = now.trunc_subsecs(6);
        let mut purged = 0;
        for node in store::purge::due(self.service.ledger().reader(), now, BATCH).await? {
            purged += match self.purge(&node, now).await {
                Ok(done) => usize::from(done),
                // One tree that others hold is no reason to leave the rest.
                Err(LedgerError::Busy { .. }) => 0,
                Err(error) => return Err(error),
            };
        }
        Ok(purged)
    }

    /// Purges one node; false if it is not due any more, or another process is at it.
    async fn purge(&self, node: &NodeName, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        // Whoever is about to undelete it holds the tree: it is theirs, or ours from here on.
        let Some(write) = self.open_purge(node, now).await? else { return Ok(false) };
        write.commit(&[]).await?;
        for scope in store::purge::scopes(self.service.ledger().reader(), node).await? {
            loop {
                let Some(mut write) = self.open_purge(node, now).await? else { return Ok(false) };
                if purge_some(&mut write, &scope, now).await? == 0 {
                    break;
                }
                write.commit(&[]).await?;
            }
        }
        if node.kind() == NodeKind::Organization {
            self.purge_elsewhere(node, now).await?;
        }
        let Some(mut write) = self.open_purge(node, now).await? else { return Ok(false) };
        store::purge::finish(write.connection(), node).await?;
        write.audit(entry(action_on(node), node.as_str(), node, json!({ "deleted": true })));
        write.commit(&[]).await?;
        Ok(true)
    }

    /// Opens a write in the tree of a node that is due: nothing of it comes back from now on.
    async fn open_purge(&self, node: &NodeName, now: DateTime<Utc>) -> Result<Option<Purging>, LedgerError> {
        let Some(write) = self.open_in_tree_of(&node.organization(), "directory.v1/Purge").await? else { return Ok(None) };
        Ok(if store::purge::begin(write.connection(), node, now).await? { Some(write) } else { None })
    }

    /// What an organization and its groups hold in other organizations, and what those have offered to it. It is decided there that it is void.
    async fn purge_elsewhere(&self, organization: &NodeName, now: DateTime<Utc>) -> Result<(), LedgerError> {
        while let Some(other) = store::purge::concerned_elsewhere(self.service.ledger().reader(), organization).await? {
            let Some(mut write) = self.open_in_tree_of(&other, "directory.v1/Purge").await? else { continue };
            for partnership in store::purge::offers_of(write.connection(), &other, organization, BATCH).await? {
                end_partnership(&mut write, "purge", &partnership, now).await?;
            }
            let bindings = store::purge::bindings_of_in(write.connection(), organization, &other, BATCH).await?;
            end_bindings(&mut write, "role_bindings.purge", &bindings).await?;
            write.commit(&[]).await?;
        }
        Ok(())
    }
}

/// Ends some of what hangs on a node, one kind after the other. Returns how much.
async fn purge_some(write: &mut Purging, scope: &NodeName, now: DateTime<Utc>) -> Result<usize, LedgerError> {
    let bindings = store::purge::bindings(write.connection(), scope, BATCH).await?;
    if !bindings.is_empty() {
        end_bindings(write, "role_bindings.purge", &bindings).await?;
        return Ok(bindings.len());
    }
    let partnerships = store::purge::partnerships(write.connection(), scope, BATCH).await?;
    for partnership in &partnerships {
        end_partnership(write, "purge", partnership, now).await?;
    }
    if !partnerships.is_empty() {
        return Ok(partnerships.len());
    }
    let resources = store::purge::resources(write.connection(), scope, BATCH).await?;
    for resource in &resources {
        let ended = resource.ended(now);
        store::resource::update(write.connection(), &ended).await?;
        write.put(feed::resource(&ended));
        write.audit(entry("resources.purge", ended.name.as_str(), &ended.name, resource.audited()));
    }
    if !resources.is_empty() || scope.kind() != NodeKind::Organization {
        return Ok(resources.len());
    }
    purge_people(write, scope).await
}

/// Ends some of the groups and memberships of an organization.
async fn purge_people(write: &mut Purging, organization: &NodeName) -> Result<usize, LedgerError> {
    let edges = store::purge::edges(write.connection(), organization, BATCH).await?;
    store::group::delete_edges(write.connection(), &edges).await?;
    for edge in &edges {
        write.delete(edge.key());
        write.audit(entry("groups.purge_member", edge.group.as_str(), organization, json!({ "member": edge.member_text() })));
    }
    if !edges.is_empty() {
        return Ok(edges.len());
    }
    let groups = store::purge::groups(write.connection(), organization, BATCH).await?;
    for group in &groups {
        store::group::delete(write.connection(), &group.name).await?;
        write.audit(entry("groups.purge", group.name.as_str(), organization, group.audited()));
    }
    if !groups.is_empty() {
        return Ok(groups.len());
    }
    let members = store::purge::members(write.connection(), organization, BATCH).await?;
    for member in &members {
        store::member::delete(write.connection(), &member.name).await?;
        write.delete(member.name.as_str());
        write.audit(entry("members.purge", member.name.as_str(), organization, member.audited()));
    }
    Ok(members.len())
}

fn action_on(node: &NodeName) -> &'static str {
    match node.kind() {
        NodeKind::Organization => "organization.purge",
        NodeKind::Workspace => "workspaces.purge",
        NodeKind::Account => "accounts.purge",
        NodeKind::Leaf { .. } => "resources.purge",
    }
}
