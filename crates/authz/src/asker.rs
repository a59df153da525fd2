//! Who may ask about whom, and what they are told (DESIGN §3 step 0, §6).

use std::collections::BTreeMap;

use api::error::v1::Reason as Refused;
use chassis::{identity, refuse};
use decision::{
    decision::{Decision, Invalid, Outcome, Query, Reason},
    explain::{BindingResult, Idle, explain},
    name::{MemberName, NodeName, UserName},
    record::Timestamp,
    view::View,
};
use tonic::{Code, Request, Status};

use crate::Settings;

/// On whose behalf a question is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A service for itself, or the platform: about anybody.
    Service,
    /// An end user: about themselves only.
    User(UserName),
}

impl Asker {
    pub(crate) fn of<T>(request: &Request<T>, settings: &Settings) -> Result<Self, Status> {
        let Some(actor) = &identity::of(request)?.actor else { return Ok(Self::Service) };
        let name = UserName::parse(&actor.name).map_err(chassis::internal)?;
        Ok(if name == settings.platform_actor { Self::Service } else { Self::User(name) })
    }

    pub(crate) fn may_ask_about(&self, user: &UserName) -> Result<(), Status> {
        match self {
            Self::Service => Ok(()),
            Self::User(name) if name == user => Ok(()),
            Self::User(name) => Err(refuse(
                Code::PermissionDenied,
                Refused::NotAllowed,
                "a user asks about themselves only; ask about the actor, or without one",
            )
            .metadata("actor", name)
            .status()),
        }
    }

    /// What is told of a decision. To an end user who has nothing to do with the place, everything there looks as if it did not exist.
    pub(crate) fn told(&self, view: &View, query: &Query, decided: Result<Decision, Invalid>, now: Timestamp) -> Result<Decision, Invalid> {
        let shown = match &decided {
            Ok(decision) => !matches!(&decision.outcome, Outcome::Deny(reason) if *reason != Reason::NoGrant),
            Err(_) => false,
        };
        if shown || !self.is_stranger(view, query, now) {
            return decided;
        }
        Ok(Decision { outcome: Outcome::Deny(Reason::NoGrant), condition_errors: Vec::new() })
    }

    /// An end user who is no active member of an organization on the path and whom no binding there reaches.
    pub(crate) fn is_stranger(&self, view: &View, query: &Query, now: Timestamp) -> bool {
        let Self::User(user) = self else { return false };
        let organizations = view.ancestors(&query.resource).into_iter().map(|node| node.organization());
        let is_member = organizations.chain([query.resource.organization()]).any(|organization| is_taken_in(view, &organization, user));
        !is_member && !is_reached(view, user, &query.resource, now)
    }
}

/// Whether a binding on the path is for the user, whatever it gives.
fn is_reached(view: &View, user: &UserName, node: &NodeName, now: Timestamp) -> bool {
    // Every model has this permission; of a collection that it does not have, the container is asked about.
    let query =
        Query { user: user.clone(), permission: "organization.get".to_owned(), resource: node.clone(), attributes: BTreeMap::new() };
    match explain(view, &query, now) {
        Ok(why) => why.bindings.iter().any(|considered| is_theirs(&considered.result)),
        Err(_) => node.leaf_parent().is_some_and(|container| is_reached(view, user, &container, now)),
    }
}

/// Also one that gives nothing for now, unless it gives nothing for want of a tie between the user and the place.
fn is_theirs(result: &BindingResult) -> bool {
    match result {
        BindingResult::Idle(Idle::Expired | Idle::Confined | Idle::NotMember | Idle::Sponsor(_) | Idle::RoleUnknown) => false,
        BindingResult::Idle(_) | BindingResult::Nothing(_) | BindingResult::Grants(_) => true,
    }
}

/// A suspended member counts as if they were none.
fn is_taken_in(view: &View, organization: &NodeName, user: &UserName) -> bool {
    MemberName::parse(&format!("{organization}/members/{}", user.id()))
        .is_ok_and(|member| view.member(&member).is_some_and(|member| !member.suspended))
}
