//! Ends what has expired: a commit takes away bindings and partnerships whose time is over, and marks invitations, so that seats, lists and the
//! feed agree with what decisions already say (DESIGN §5). Invitations that ended long ago are forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use decision::name::{BindingName, InvitationName, NodeName, PartnershipName, Sponsor};
use ledger::{AuditEntry, Begun, Error as LedgerError, StoreError, SystemAuthority, Write, WriteRequest};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    Directory,
    invitation::{Invitation, KEPT_DAYS, State},
    partnership::Partnership,
    role_binding::RoleBinding,
    store,
};

/// Looked for at once: what of it is in one tree ends in one commit.
const BATCH: u64 = 500;
/// Others may hold a tree; what does not end now ends in the next sweep.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who did it, in the audit trail.
const SWEEPER: &str = "services/directory";

/// What has expired in one tree.
#[derive(Debug, Default)]
struct Expired {
    bindings: Vec<BindingName>,
    partnerships: Vec<PartnershipName>,
    invitations: Vec<InvitationName>,
    /// Invitations that ended so long ago that they are forgotten.
    forgotten: Vec<InvitationName>,
}

impl Directory {
    /// Sweeps and purges every so often until told to stop. Failures are logged; the next round tries again.
    pub async fn sweep_every(&self, period: Duration, until: CancellationToken) {
        let mut rounds = interval(period);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = until.cancelled() => return,
                _ = rounds.tick() => {}
            }
            match self.sweep_expired(self.service.now()).await {
                Ok(0) => {}
                Ok(ended) => tracing::info!(ended, "expired bindings, partnerships and invitations were ended"),
                Err(error) => tracing::warn!(%error, "a sweep was left unfinished"),
            }
            match self.purge_due(self.service.now()).await {
                Ok(0) => {}
                Ok(purged) => tracing::info!(purged, "deleted nodes were purged"),
                Err(error) => tracing::warn!(%error, "a purge was left unfinished"),
            }
        }
    }

    /// Ends the bindings, partnerships and invitations that have expired at this time, a tree and at most some hundreds a commit. Returns how many. With a
    /// partnership end the bindings that it sponsors, and the invitations to such. Nothing else is looked at: they have ended already, this only says so.
    pub async fn sweep_expired(&self, now: DateTime<Utc>) -> Result<usize, LedgerError> {
        let now = now.trunc_subsecs(6);
        let mut ended = 0;
        loop {
            let mut round = 0;
            for (root, expired) in self.expired(now).await? {
                round += match self.end(root, expired, now).await {
                    // One tree that others hold is no reason to leave the rest.
                    Err(LedgerError::Busy { .. }) => 0,
                    done => done?,
                };
            }
            if round == 0 {
                return Ok(ended);
            }
            ended += round;
        }
    }

    /// Some of what has expired, by the roots of the trees.
    async fn expired(&self, now: DateTime<Utc>) -> Result<BTreeMap<String, Expired>, LedgerError> {
        let db = self.service.ledger().reader();
        let mut roots: BTreeMap<NodeName, String> = BTreeMap::new();
        let mut expired: BTreeMap<String, Expired> = BTreeMap::new();
        let bindings = store::role_binding::ended(db, now, BATCH).await?;
        let partnerships = store::partnership::ended(db, now, BATCH).await?;
        let invitations = store::invitation::expired(db, now, BATCH).await?;
        let forgotten = store::invitation::ended_before(db, kept_since(now), BATCH).await?;
        let organizations = bindings
            .iter()
            .map(|one| one.name.organization())
            .chain(partnerships.iter().map(|one| one.name.organization()))
            .chain(invitations.iter().map(|one| one.name.organization()))
            .chain(forgotten.iter().map(InvitationName::organization));
        for name in organizations {
            if !roots.contains_key(&name)
                && let Some(organization) = store::organization::find(db, &name).await?
            {
                roots.insert(name, organization.root.to_string());
            }
        }
        for binding in bindings {
            if let Some(root) = roots.get(&binding.name.organization()) {
                expired.entry(root.clone()).or_default().bindings.push(binding.name);
            }
        }
        for partnership in partnerships {
            if let Some(root) = roots.get(&partnership.name.organization()) {
                expired.entry(root.clone()).or_default().partnerships.push(partnership.name);
            }
        }
        for invitation in invitations {
            if let Some(root) = roots.get(&invitation.name.organization()) {
                expired.entry(root.clone()).or_default().invitations.push(invitation.name);
            }
        }
        for name in forgotten {
            if let Some(root) = roots.get(&name.organization()) {
                expired.entry(root.clone()).or_default().forgotten.push(name);
            }
        }
        Ok(expired)
    }

    /// Ends in one tree what has still expired under its lock: some of it may be gone, have been given more time, or have been moved to another
    /// tree with its organization.
    async fn end(&self, root: String, expired: Expired, now: DateTime<Utc>) -> Result<usize, LedgerError> {
        let Some(mut write) = self.open_tree(root.clone(), "directory.v1/SweepExpired").await? else { return Ok(0) };
        let expired = expired.in_tree(&write, root).await?;
        let bindings = store::role_binding::ended_of(write.connection(), &expired.bindings, now).await?;
        end_bindings(&mut write, "role_bindings.expire", &bindings).await?;
        let mut ended = bindings.len();
        for name in expired.partnerships {
            let partnership = store::partnership::find(write.connection(), &name).await?;
            let Some(partnership) = partnership.filter(|one| one.allows.expire_time.is_some_and(|end| end <= now)) else { continue };
            ended += 1 + end_partnership(&mut write, "expire", &partnership, now).await?;
        }
        for before in store::invitation::expired_of(write.connection(), &expired.invitations, now).await? {
            close(&mut write, "invitations.expire", &before, &before.expired(now)).await?;
            ended += 1;
        }
        let forgotten = store::invitation::ended_before_of(write.connection(), &expired.forgotten, kept_since(now)).await?;
        store::invitation::delete(write.connection(), &forgotten).await?;
        ended += forgotten.len();
        if ended > 0 {
            write.commit(&[]).await?;
        }
        Ok(ended)
    }

    /// Opens a write of the directory itself in the tree that an organization is in; none if there is no such organization, or it has just been
    /// moved to another tree.
    pub(crate) async fn open_in_tree_of(
        &self,
        organization: &NodeName,
        method: &'static str,
    ) -> Result<Option<Write<SystemAuthority>>, LedgerError> {
        let found = store::organization::find(self.service.ledger().reader(), organization).await?;
        let Some(root) = found.map(|organization| organization.root.to_string()) else { return Ok(None) };
        let Some(write) = self.open_tree(root.clone(), method).await? else { return Ok(None) };
        let is_here = InTree { root, known: BTreeMap::new() }.has(&write, organization).await?;
        Ok(if is_here { Some(write) } else { None })
    }

    async fn open_tree(&self, root: String, method: &'static str) -> Result<Option<Write<SystemAuthority>>, LedgerError> {
        let request = WriteRequest {
            caller: SWEEPER.to_owned(),
            actor: SWEEPER.to_owned(),
            method,
            request_id: None,
            body_hash: [0; 32],
            validate_only: false,
            deadline: Instant::now() + PATIENCE,
        };
        match self.service.ledger().begin(request, SystemAuthority { written: vec![root] }).await? {
            Begun::Open(write) => Ok(Some(write)),
            Begun::Replay { .. } => Ok(None),
        }
    }
}

impl Expired {
    /// What is still in the tree that is locked.
    async fn in_tree(mut self, write: &Write<SystemAuthority>, root: String) -> Result<Self, StoreError> {
        let mut tree = InTree { root, known: BTreeMap::new() };
        for organization in self.organizations() {
            tree.has(write, &organization).await?;
        }
        let is_here = |organization: NodeName| tree.known.get(&organization).copied().unwrap_or_default();
        self.bindings.retain(|name| is_here(name.organization()));
        self.partnerships.retain(|name| is_here(name.organization()));
        self.invitations.retain(|name| is_here(name.organization()));
        self.forgotten.retain(|name| is_here(name.organization()));
        Ok(self)
    }

    fn organizations(&self) -> BTreeSet<NodeName> {
        let bindings = self.bindings.iter().map(BindingName::organization);
        let partnerships = self.partnerships.iter().map(PartnershipName::organization);
        let invitations = self.invitations.iter().chain(&self.forgotten).map(InvitationName::organization);
        bindings.chain(partnerships).chain(invitations).collect()
    }
}

/// Which organizations are in a tree that is locked. What is in it stays in it: a move locks both trees.
struct InTree {
    root: String,
    known: BTreeMap<NodeName, bool>,
}

impl InTree {
    async fn has(&mut self, write: &Write<SystemAuthority>, organization: &NodeName) -> Result<bool, StoreError> {
        if let Some(known) = self.known.get(organization) {
            return Ok(*known);
        }
        let found = store::organization::find(write.connection(), organization).await?;
        let is_here = found.is_some_and(|found| found.root.as_str() == self.root);
        self.known.insert(organization.clone(), is_here);
        Ok(is_here)
    }
}

/// Ends a partnership, what it sponsors and the invitations to such, because it expires or is purged. Returns how many bindings that were.
pub(crate) async fn end_partnership(
    write: &mut Write<SystemAuthority>,
    why: &str,
    partnership: &Partnership,
    now: DateTime<Utc>,
) -> Result<usize, LedgerError> {
    let sponsor = Sponsor::Partnership(partnership.name.clone());
    let sponsored = store::role_binding::of_sponsor(write.connection(), &sponsor).await?;
    end_bindings(write, &format!("role_bindings.{why}"), &sponsored).await?;
    for before in store::invitation::pending_of_sponsor(write.connection(), &sponsor).await? {
        // One that has expired by itself ends so, by this sweep or the next.
        if before.state(now) == State::Pending {
            close(write, "invitations.withdraw", &before, &before.withdrawn(now)).await?;
        }
    }
    store::partnership::delete(write.connection(), &partnership.name).await?;
    write.delete(partnership.name.as_str());
    write.audit(entry(&format!("partners.{why}"), partnership.name.as_str(), &partnership.node, partnership.audited()));
    Ok(sponsored.len())
}

/// Ends bindings.
pub(crate) async fn end_bindings(write: &mut Write<SystemAuthority>, action: &str, bindings: &[RoleBinding]) -> Result<(), LedgerError> {
    store::role_binding::delete(write.connection(), bindings).await?;
    for binding in bindings {
        write.delete(binding.name.as_str());
        write.audit(entry(action, binding.name.as_str(), &binding.assigned.node, binding.audited()));
    }
    Ok(())
}

async fn close(write: &mut Write<SystemAuthority>, action: &str, before: &Invitation, after: &Invitation) -> Result<(), LedgerError> {
    store::invitation::update(write.connection(), after).await?;
    write.audit(AuditEntry { after: Some(after.audited()), ..entry(action, before.name.as_str(), &before.offer.node, before.audited()) });
    Ok(())
}

/// Invitations that ended before this are forgotten.
fn kept_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(KEPT_DAYS)
}

/// What was, and is no more.
pub(crate) fn entry(action: &str, resource: &str, node: &NodeName, before: serde_json::Value) -> AuditEntry {
    AuditEntry { resource: resource.to_owned(), node: Some(node.to_string()), action: action.to_owned(), before: Some(before), after: None }
}
