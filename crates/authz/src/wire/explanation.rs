//! The message that tells why.

use api::authz::v1::{
    ExplainResponse,
    explain_response::{ConsideredBinding, Gate as GateMessage},
};
use client::token::Token;
use decision::{
    condition::Verdict,
    decide::Gate,
    explain::{
        BindingResult, ConsideredBinding as Considered, ConsideredGrant, Explanation, GateState, Idle, Nothing, Reached, SponsorFault,
    },
    view::View,
};

use super::write_decision;

pub(crate) fn write_explanation(view: &View, why: &Explanation, decided_at: Token) -> ExplainResponse {
    ExplainResponse {
        decision: Some(write_decision(&why.decision)),
        gates: why.gates.iter().map(write_gate).collect(),
        bindings: why.bindings.iter().map(|considered| write_considered(view, considered)).collect(),
        revision: decided_at.to_string(),
    }
}

fn write_gate(state: &GateState) -> GateMessage {
    match &state.closed {
        Some(reason) => GateMessage { reason: reason.code().to_owned(), open: false, detail: reason.to_string() },
        None => {
            let (reason, detail) = guarded(state.gate);
            GateMessage { reason: reason.to_owned(), open: true, detail: detail.to_owned() }
        }
    }
}

/// What a gate guards against (the words of `decision::decision::Reason::code`), and what it means that it is open.
fn guarded(gate: Gate) -> (&'static str, &'static str) {
    match gate {
        Gate::Available => ("NOT_AVAILABLE", "the action exists"),
        Gate::Type => ("TYPE_NOT_APPLICABLE", "the permission applies to this type of resource"),
        Gate::Kind => ("KIND_NOT_APPLICABLE", "the permission is for this kind of organization"),
        Gate::User => ("USER_UNKNOWN", "the user is known and active"),
        Gate::Nodes => ("RESOURCE_UNKNOWN", "everything from the resource up to its organization is active"),
        Gate::Account => ("ACCOUNT_PAUSED", "no account that it needs is paused"),
        Gate::RoleHolder => ("ROLE_HOLDER_MISSING", "whoever must hold a role at the organization is there"),
        Gate::Ceiling => ("ABOVE_CEILING", "no ceiling leaves the component out"),
    }
}

fn write_considered(view: &View, considered: &Considered) -> ConsideredBinding {
    let (outcome, steps) = match &considered.result {
        BindingResult::Idle(idle) => ("NOTHING", vec![idle_step(idle)]),
        BindingResult::Nothing(nothing) => ("NOTHING", vec![nothing_step(*nothing).to_owned()]),
        BindingResult::Grants(grants) => (outcome(grants), grants.iter().flat_map(grant_steps).collect()),
    };
    ConsideredBinding {
        role_binding: considered.binding.to_string(),
        principal: view.binding(&considered.binding).map(|binding| binding.principal.to_string()).unwrap_or_default(),
        role: considered.role.to_string(),
        node: considered.node.to_string(),
        via: match &considered.reached {
            Reached::Directly | Reached::Anyone => Vec::new(),
            Reached::Groups(groups) => groups.iter().map(ToString::to_string).collect(),
            Reached::Organization(organization) => vec![organization.to_string()],
        },
        outcome: outcome.to_owned(),
        steps,
    }
}

fn outcome(grants: &[ConsideredGrant]) -> &'static str {
    if grants.iter().any(|grant| grant.verdict == Verdict::True) {
        "GRANTS"
    } else if grants.iter().any(|grant| matches!(grant.verdict, Verdict::Missing(_))) {
        "CONDITIONAL"
    } else {
        "NOTHING"
    }
}

fn grant_steps(grant: &ConsideredGrant) -> Vec<String> {
    let upward = if grant.grant.is_none() { " upward" } else { "" };
    let gives = format!("`{}`, held at `{}`, gives `{}`{upward}", grant.role, grant.node, grant.permission);
    let judged = grant.conditions.iter().map(|(used, verdict)| match verdict {
        Verdict::True => format!("condition `{}` holds", used.id),
        Verdict::False => format!("condition `{}` does not hold", used.id),
        Verdict::Missing(missing) => {
            let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
            format!("condition `{}` needs what was not given: {}", used.id, missing.join(", "))
        }
        Verdict::Error(message) => format!("condition `{}` failed: {message}", used.id),
    });
    std::iter::once(gives).chain(judged).collect()
}

fn idle_step(idle: &Idle) -> String {
    match idle {
        Idle::Expired => "it has expired".to_owned(),
        Idle::Void(node) => format!("`{node}` is unknown, deleted or suspended"),
        Idle::Confined => "the user is managed by an organization, and nothing counts for them outside of it".to_owned(),
        Idle::NotMember => "it has no sponsor, and the user is no active member of its organization".to_owned(),
        Idle::Sponsor(fault) => format!("its sponsor does not carry it: {}", sponsor_step(*fault)),
        Idle::RoleUnknown => "its role is not one of the tree's role model, nor a custom role of the organization".to_owned(),
        Idle::RoleNotHere => "its role is not held at nodes like this".to_owned(),
        Idle::PrincipalKind => "its role is not for this kind of principal".to_owned(),
        Idle::ComponentMap => "it has a component map and may not, or has none and must".to_owned(),
        Idle::ConditionUnknown => "its condition is not known".to_owned(),
        Idle::RequiredRoleMissing(roles) => format!("the user holds none of the roles that it requires: {}", roles.join(", ")),
    }
}

fn sponsor_step(fault: SponsorFault) -> &'static str {
    match fault {
        SponsorFault::Unknown => "it is not known",
        SponsorFault::NotOfHere => "it is not for bindings here",
        SponsorFault::NotAccepted => "the partner has not accepted",
        SponsorFault::Expired => "it has ended",
        SponsorFault::OutsideNode => "the binding is outside the node that it is for",
        SponsorFault::Role => "it does not allow the role",
        SponsorFault::User => "it does not allow the user",
        SponsorFault::Closed => "the partner organization or the workspace is closed",
        SponsorFault::NotMember => "the user is no active member there",
    }
}

fn nothing_step(nothing: Nothing) -> &'static str {
    match nothing {
        Nothing::NotGranted => "its role does not give the permission",
        Nothing::OtherTypes => "its role gives the permission on other types of resource",
        Nothing::StopsAtBorder => "what its role gives ends at the border of its organization",
        Nothing::LeftOutByMap => "a component map leaves it out",
    }
}
