//! Ends what has expired: a commit takes away bindings and partnerships whose time is over, and marks invitations, so that seats, lists and the
//! feed agree with what decisions already say (DESIGN §5). Invitations that ended long ago are forgotten.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use decision::name::{BindingName, InvitationName, NodeName, PartnershipName, Sponsor};
use ledger::{AuditEntry, Begun, Error as LedgerError, SystemAuthority, Write, WriteRequest};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    Directory,
    invitation::{Invitation, KEPT_DAYS, State},
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
    /// Sweeps every so often until told to stop. Failures are logged; the next round tries again.
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

    /// Ends in one tree what has still expired under its lock: some of it may be gone, or have been given more time.
    async fn end(&self, root: String, expired: Expired, now: DateTime<Utc>) -> Result<usize, LedgerError> {
        let request = WriteRequest {
            caller: SWEEPER.to_owned(),
            actor: SWEEPER.to_owned(),
            method: "directory.v1/SweepExpired",
            request_id: None,
            body_hash: [0; 32],
            validate_only: false,
            deadline: Instant::now() + PATIENCE,
        };
        let Begun::Open(mut write) = self.service.ledger().begin(request, SystemAuthority { written: vec![root] }).await? else {
            return Ok(0);
        };
        let mut bindings = store::role_binding::ended_of(write.connection(), &expired.bindings, now).await?;
        let mut ended = 0;
        for name in expired.partnerships {
            let partnership = store::partnership::find(write.connection(), &name).await?;
            let Some(partnership) = partnership.filter(|one| one.allows.expire_time.is_some_and(|end| end <= now)) else { continue };
            let sponsored = store::role_binding::of_sponsor(write.connection(), &Sponsor::Partnership(name.clone())).await?;
            bindings.extend(sponsored);
            for before in store::invitation::pending_of_sponsor(write.connection(), &Sponsor::Partnership(name.clone())).await? {
                // One that has expired by itself ends so, below or by the next sweep.
                if before.state(now) == State::Pending {
                    close(&mut write, "invitations.withdraw", &before, &before.withdrawn(now)).await?;
                }
            }
            store::partnership::delete(write.connection(), &name).await?;
            write.delete(name.as_str());
            write.audit(entry("partners.expire", name.as_str(), &partnership.node, partnership.audited()));
            ended += 1;
        }
        bindings.sort_by(|one, other| one.name.cmp(&other.name));
        bindings.dedup_by(|one, other| one.name == other.name);
        end_bindings(&mut write, &bindings).await?;
        ended += bindings.len();
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
}

async fn end_bindings(write: &mut Write<SystemAuthority>, bindings: &[RoleBinding]) -> Result<(), LedgerError> {
    store::role_binding::delete(write.connection(), bindings).await?;
    for binding in bindings {
        write.delete(binding.name.as_str());
        write.audit(entry("role_bindings.expire", binding.name.as_str(), &binding.assigned.node, binding.audited()));
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

fn entry(action: &str, resource: &str, node: &NodeName, before: serde_json::Value) -> AuditEntry {
    AuditEntry { resource: resource.to_owned(), node: Some(node.to_string()), action: action.to_owned(), before: Some(before), after: None }
}
