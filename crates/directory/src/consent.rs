//! Consents of organizations to being moved: who owns one is asked before it gets another agency (DESIGN §6, 10).

use chrono::{DateTime, Duration, Utc};
use decision::name::{NodeName, UserName};
use serde_json::{Value, json};
use service::change::Change;

use crate::{
    assign, invariants,
    status::Error,
    store::{self, holders::Users},
};

/// How long a consent lasts if nothing is said.
const USUAL_DAYS: i64 = 7;
/// How long it may last.
const MOST_DAYS: i64 = 90;

/// That an organization may be moved to a workspace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Consent {
    pub(crate) organization: NodeName,
    pub(crate) workspace: NodeName,
    /// Who gave it.
    pub(crate) user: UserName,
    /// Given by the platform, which needs to hold nothing.
    pub(crate) by_platform: bool,
    pub(crate) expire_time: DateTime<Utc>,
    pub(crate) create_time: DateTime<Utc>,
}

/// What to consent to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConsentDraft {
    pub(crate) organization: NodeName,
    pub(crate) workspace: NodeName,
    /// None: the usual time.
    pub(crate) expire_time: Option<DateTime<Utc>>,
}

impl Consent {
    /// For the audit trail.
    fn audited(&self) -> Value {
        json!({ "parent": self.workspace.as_str(), "user": self.user.as_str(), "expire_time": self.expire_time })
    }
}

/// Gives a consent, in the place of an earlier one for the same workspace.
pub(crate) async fn give(change: &mut Change, draft: ConsentDraft, user: UserName) -> Result<Consent, Error> {
    let ConsentDraft { organization, workspace, expire_time } = draft;
    let by_platform = answers_for(change, &organization, &user).await?;
    let now = change.now();
    let expire_time = expire_time.unwrap_or_else(|| now + Duration::days(USUAL_DAYS));
    if expire_time <= now || expire_time > now + Duration::days(MOST_DAYS) {
        return Err(Error::Field { path: "expire_time", description: format!("a time in the next {MOST_DAYS} days") });
    }
    let before = store::move_consent::find(change.connection(), &organization, &workspace).await?;
    if let Some(earlier) = &before {
        store::move_consent::delete(change.connection(), earlier).await?;
    }
    let consent = Consent { organization, workspace, user, by_platform, expire_time, create_time: now };
    store::move_consent::insert(change.connection(), &consent).await?;
    let (before, after) = (before.as_ref().map(Consent::audited), Some(consent.audited()));
    change.audit("organization.consent_to_move", consent.organization.as_str(), before, after);
    Ok(consent)
}

/// Takes one back.
pub(crate) async fn revoke(change: &mut Change, organization: &NodeName, workspace: &NodeName, user: &UserName) -> Result<Consent, Error> {
    answers_for(change, organization, user).await?;
    let consent = store::move_consent::find(change.connection(), organization, workspace).await?;
    let consent = consent.ok_or_else(|| Error::not_found(workspace.as_str()))?;
    store::move_consent::delete(change.connection(), &consent).await?;
    change.audit("organization.revoke_consent_to_move", organization.as_str(), Some(consent.audited()), None);
    Ok(consent)
}

/// Any move uses all consents up: those for other workspaces were given in another situation.
pub(crate) async fn use_up(change: &mut Change, organization: &NodeName) -> Result<(), Error> {
    for consent in store::move_consent::of_organization(change.connection(), organization).await? {
        store::move_consent::delete(change.connection(), &consent).await?;
        change.audit("organization.use_consent_to_move", organization.as_str(), Some(consent.audited()), None);
    }
    Ok(())
}

/// Whether an organization must consent to being moved, and has. A consent of somebody who no longer holds a required role does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consenting {
    /// Somebody holds a required role.
    pub(crate) required: bool,
    /// A consent holds now.
    pub(crate) given: bool,
}

/// Whether somebody may consent for an organization, and whether as the platform.
async fn answers_for(change: &Change, organization: &NodeName, user: &UserName) -> Result<bool, Error> {
    let organization = assign::live_organization(change, organization).await?;
    if change.granted().platform {
        return Ok(true);
    }
    let required = invariants::required_of(&organization, &change.granted().required_roles);
    if store::holders::is_owner(change.connection(), Users::Held, &organization.name, &required, user).await? {
        return Ok(false);
    }
    Err(Error::NotAnOwner { organization: organization.name.to_string() })
}
