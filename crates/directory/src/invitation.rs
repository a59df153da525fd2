//! Invitations: offers of a role binding, and of membership, to an e-mail address. Their rules that need no database.

mod acceptance;
mod end;
mod event;
mod offering;
mod token;

use chrono::{DateTime, TimeDelta, Utc};
use decision::name::{BindingName, InvitationName, NodeName, Principal, RoleName, Sponsor, UserName};
use serde_json::{Value, json};
use service::fields::Etag;

use crate::{
    role_binding::{Assignment, ComponentMap, Condition, RoleBinding},
    status::Error,
    user::Email,
};

pub(crate) use self::{
    acceptance::{accept, decline},
    end::{end_at_or_below, end_of_email, end_of_sponsor, end_of_sponsor_in, revoke},
    event::{ACTIONS, Cursor, kind_of},
    offering::{offer, resend},
    token::{Token, TokenHash},
};

/// How long an invitation can be accepted if nothing else is said.
const DEFAULT_DAYS: i64 = 14;
/// And at most.
const MOST_DAYS: i64 = 90;
/// How long one that has ended is kept.
pub(crate) const KEPT_DAYS: i64 = 90;

/// What is offered to whom: never changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) email: Email,
    pub(crate) role: RoleName,
    pub(crate) node: NodeName,
    pub(crate) components: Option<ComponentMap>,
    pub(crate) condition: Option<Condition>,
    pub(crate) binding_expire_time: Option<DateTime<Utc>>,
    pub(crate) sponsor: Option<Sponsor>,
}

/// The state of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Accepted,
    Declined,
    Revoked,
    Expired,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Invitation {
    pub(crate) name: InvitationName,
    pub(crate) offer: Offer,
    pub(crate) token: TokenHash,
    pub(crate) expire_time: DateTime<Utc>,
    /// As it is kept; see [`Invitation::state`].
    pub(crate) kept_state: State,
    /// On whose authority it rests.
    pub(crate) inviter: UserName,
    pub(crate) accepted_by: Option<UserName>,
    pub(crate) role_binding: Option<BindingName>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// What to offer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) name: InvitationName,
    pub(crate) offer: Offer,
    pub(crate) expire_time: Option<DateTime<Utc>>,
}

/// What to invite to again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resending {
    pub(crate) name: InvitationName,
    pub(crate) expire_time: Option<DateTime<Utc>>,
    pub(crate) etag: Etag,
}

/// Whom an invitation reaches, as its permit was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Invitee {
    /// Whose address it is; none: nobody's yet.
    pub(crate) user: Option<UserName>,
    /// What they hold of the role's exclusive set there, and give up for it.
    pub(crate) replaces: Option<RoleBinding>,
}

/// What came of a change that its permit may not have been asked for.
#[derive(Debug)]
pub(crate) enum Settled<T> {
    /// It is made.
    Done(T),
    /// Somebody else is reached, or gives up something else: the permit is to be asked for about them.
    Again(Invitee),
}

impl Offer {
    /// The binding to be of a user.
    pub(crate) fn to(&self, user: UserName) -> Assignment {
        Assignment {
            principal: Principal::User(user),
            role: self.role.clone(),
            node: self.node.clone(),
            components: self.components.clone(),
            condition: self.condition.clone(),
            expire_time: self.binding_expire_time,
            sponsor: self.sponsor.clone(),
        }
    }
}

impl Invitation {
    fn new(draft: Draft, token: TokenHash, inviter: UserName, now: DateTime<Utc>) -> Result<Self, Error> {
        Ok(Self {
            name: draft.name,
            offer: draft.offer,
            token,
            expire_time: until(draft.expire_time, "invitation.expire_time", now)?,
            kept_state: State::Pending,
            inviter,
            accepted_by: None,
            role_binding: None,
            create_time: now,
            update_time: now,
            version: 1,
        })
    }

    /// Its state; at exactly its expiry it has expired (DESIGN §3).
    pub(crate) fn state(&self, now: DateTime<Utc>) -> State {
        if self.kept_state == State::Pending && self.expire_time <= now { State::Expired } else { self.kept_state }
    }

    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }

    /// WRONG_STATE unless it can be accepted.
    fn expect_pending(&self, now: DateTime<Utc>, remedy: &'static str) -> Result<(), Error> {
        let state = match self.state(now) {
            State::Pending => return Ok(()),
            State::Accepted => "accepted",
            State::Declined => "declined",
            State::Revoked => "revoked",
            State::Expired => "expired",
        };
        Err(Error::WrongState { name: self.name.to_string(), state, remedy })
    }

    /// Ended with what it was for.
    pub(crate) fn withdrawn(&self, now: DateTime<Utc>) -> Self {
        self.in_state(State::Revoked, now)
    }

    fn in_state(&self, kept_state: State, now: DateTime<Utc>) -> Self {
        Self { kept_state, update_time: now, version: self.version + 1, ..self.clone() }
    }

    fn resent(&self, token: TokenHash, expire_time: DateTime<Utc>, inviter: UserName, now: DateTime<Utc>) -> Self {
        Self { token, expire_time, inviter, ..self.in_state(State::Pending, now) }
    }

    fn accepted(&self, user: UserName, binding: BindingName, now: DateTime<Utc>) -> Self {
        Self { accepted_by: Some(user), role_binding: Some(binding), ..self.in_state(State::Accepted, now) }
    }

    /// The same, expired also by what is kept.
    pub(crate) fn expired(&self, now: DateTime<Utc>) -> Self {
        self.in_state(State::Expired, now)
    }

    /// For the audit trail: without the address, which outlives nobody's deletion there, and without what leads to the token.
    pub(crate) fn audited(&self) -> Value {
        let Offer { email: _, role, node, components, condition, binding_expire_time, sponsor } = &self.offer;
        let levels = |map: &ComponentMap| map.iter().map(|(id, level)| (id.clone(), Value::from(level.as_str()))).collect::<Value>();
        json!({
            "role": role.as_str(),
            "node": node.as_str(),
            "components": components.as_ref().map(levels),
            "condition": condition.as_ref().map(|Condition { id, params }| json!({ "id": id, "params": params })),
            "binding_expire_time": binding_expire_time,
            "sponsor": sponsor.as_ref().map(ToString::to_string),
            "expire_time": self.expire_time,
            "state": state_text(self.kept_state),
            "inviter": self.inviter.as_str(),
            "accepted_by": self.accepted_by.as_ref().map(UserName::as_str),
            "role_binding": self.role_binding.as_ref().map(BindingName::as_str),
        })
    }
}

/// The word of a state.
fn state_text(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Accepted => "accepted",
        State::Declined => "declined",
        State::Revoked => "revoked",
        State::Expired => "expired",
    }
}

/// When an invitation shall end.
fn until(wanted: Option<DateTime<Utc>>, path: &'static str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    match wanted {
        None => Ok(now + TimeDelta::days(DEFAULT_DAYS)),
        Some(end) if end > now && end <= now + TimeDelta::days(MOST_DAYS) => Ok(end),
        Some(_) => Err(Error::Field { path, description: format!("a time in the future, at most {MOST_DAYS} days ahead") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(expire_time: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<Invitation, Error> {
        let draft = Draft {
            name: InvitationName::parse("organizations/acme/invitations/i1").unwrap(),
            offer: Offer {
                email: Email::parse("Ann@Example.com").unwrap(),
                role: RoleName::parse("roleModels/m/roles/buyer").unwrap(),
                node: NodeName::parse("organizations/acme").unwrap(),
                components: None,
                condition: None,
                binding_expire_time: None,
                sponsor: None,
            },
            expire_time,
        };
        Invitation::new(draft, Token::new().hash(), UserName::parse("users/sue").unwrap(), now)
    }

    #[test]
    fn an_invitation_ends_after_fourteen_days_or_when_it_is_said_and_never_after_more_than_ninety() {
        let now = Utc::now();
        assert_eq!(invitation(None, now).unwrap().expire_time, now + TimeDelta::days(14));
        let most = now + TimeDelta::days(90);
        assert_eq!(invitation(Some(most), now).unwrap().expire_time, most);
        for end in [now, now - TimeDelta::days(1), most + TimeDelta::microseconds(1)] {
            assert!(matches!(invitation(Some(end), now), Err(Error::Field { path: "invitation.expire_time", .. })), "{end}");
        }
    }

    #[test]
    fn at_exactly_its_expiry_an_invitation_has_expired_and_what_has_ended_otherwise_stays_so() {
        let now = Utc::now();
        let pending = invitation(None, now).unwrap();
        let end = pending.expire_time;
        assert_eq!(pending.state(end - TimeDelta::microseconds(1)), State::Pending);
        assert_eq!(pending.state(end), State::Expired);
        for state in [State::Accepted, State::Declined, State::Revoked, State::Expired] {
            assert_eq!(pending.in_state(state, now).state(end), state);
            assert!(matches!(pending.in_state(state, now).expect_pending(now, "no"), Err(Error::WrongState { .. })));
        }
    }

    #[test]
    fn the_audit_trail_has_neither_the_address_nor_what_leads_to_the_token() {
        let pending = invitation(None, Utc::now()).unwrap();
        let text = pending.audited().to_string();
        assert!(!text.to_lowercase().contains("example.com") && !text.contains(pending.token.as_str()), "{text}");
    }
}
