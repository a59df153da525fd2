//! The messages of permits.

use api::{
    authz::v1::{self as wire, FilterPermittedRequest, GetPermitRequest, requirement::Kind},
    feed::v1::{GroupEdgeState, Record as Message, RoleBindingState},
};
use client::token::Token;
use decision::{
    document::{Document, OnGrant, OrganizationScope, Role},
    name::{BindingName, MalformedName, NodeName, RoleName, RoleOwner, UserName, is_id},
    permit::{AssignPath, Requirement, RoleTerms, Terms},
    record::{Binding, CustomRole, GroupEdge, Node, Partnership, Record},
    view::View,
};
use replica::{
    Consistency, Freshness,
    wire::{self as feed, Change, Problem},
};
use tonic::Status;

use super::{read_permission, read_token, violations::Violations};
use crate::grant::{Ask, Filter, Granted, Wanted, Written};

/// As the contract says.
const MOST_REQUIREMENTS: usize = 10_000;
const MOST_NODES: usize = 1_000;

pub(crate) fn read_get_permit(message: GetPermitRequest) -> Result<(Ask, Consistency), Status> {
    let mut violations = Violations::default();
    let actor = violations.name("actor", UserName::parse(&message.actor));
    let mut count = 0;
    let mut wanted = Vec::new();
    for (index, requirement) in message.requirements.into_iter().enumerate() {
        wanted.extend(read_requirement(&mut violations, &format!("requirements[{index}]"), requirement, &mut count));
    }
    if count == 0 || count > MOST_REQUIREMENTS {
        violations.add("requirements", format!("give 1 to {MOST_REQUIREMENTS}, alternatives counted, not {count}"));
    }
    let mut written = Vec::new();
    for (index, name) in message.trees.iter().enumerate() {
        written.extend(violations.name(format!("trees[{index}]"), read_written(name)));
    }
    if message.trees.is_empty() {
        violations.add("trees", "name at least one thing that is to be written");
    }
    let consistency = read_at_least(&mut violations, &message.at_least_as_fresh);
    let ask = actor.map(|actor| Ask { actor, wanted, hypothetical: message.hypothetical, written });
    violations.none_in((ask, consistency))
}

pub(crate) fn read_filter(message: FilterPermittedRequest) -> Result<(Filter, Consistency), Status> {
    let mut violations = Violations::default();
    let actor = violations.name("actor", UserName::parse(&message.actor));
    let permission = read_permission(&mut violations, "permission".to_owned(), message.permission);
    if message.nodes.len() > MOST_NODES {
        violations.add("nodes", format!("at most {MOST_NODES}, not {}", message.nodes.len()));
    }
    let mut nodes = Vec::new();
    for (index, name) in message.nodes.iter().enumerate() {
        nodes.extend(violations.name(format!("nodes[{index}]"), NodeName::parse(name)));
    }
    let consistency = read_at_least(&mut violations, &message.at_least_as_fresh);
    let filter = actor.zip(permission).map(|(actor, permission)| Filter { actor, permission, nodes });
    violations.none_in((filter, consistency))
}

pub(super) fn read_at_least(violations: &mut Violations, token: &str) -> Option<Consistency> {
    if token.is_empty() {
        return Some(Consistency::default());
    }
    read_token(violations, "at_least_as_fresh", token).map(|token| Freshness::AtLeast(token).into())
}

/// A node, something else in an organization (a group, a binding, …), or what is in no tree.
fn read_written(name: &str) -> Result<Written, MalformedName> {
    let is_model = name.strip_prefix("roleModels/").is_some_and(is_id);
    if is_model || UserName::parse(name).is_ok() {
        return Ok(Written::Outside(name.to_owned()));
    }
    NodeName::parse(name)
        .or_else(|malformed| {
            let organization = name.match_indices('/').nth(1).map(|(end, _)| &name[..end]);
            organization.and_then(|organization| NodeName::parse(organization).ok()).ok_or(malformed)
        })
        .map(Written::InTreeOf)
}

fn read_requirement(violations: &mut Violations, path: &str, message: wire::Requirement, count: &mut usize) -> Option<Wanted> {
    *count += 1;
    let requirement = match message.kind {
        None => {
            violations.add(path, "say what is wanted");
            return None;
        }
        Some(Kind::Permission(wanted)) => {
            let permission = read_permission(violations, format!("{path}.permission.permission"), wanted.permission);
            let node = violations.name(format!("{path}.permission.node"), NodeName::parse(&wanted.node));
            Requirement::Permission { permission: permission?, node: node? }
        }
        Some(Kind::Assign(wanted)) => {
            let binding = read_proposed(violations, format!("{path}.assign.binding"), wanted.binding)?;
            Requirement::Assign { binding, path: if wanted.invite { AssignPath::Invite } else { AssignPath::Assign } }
        }
        Some(Kind::Revoke(name)) => Requirement::Revoke { binding: violations.name(format!("{path}.revoke"), BindingName::parse(&name))? },
        Some(Kind::Change(wanted)) => {
            let binding = violations.name(format!("{path}.change.name"), BindingName::parse(&wanted.name));
            let to = read_proposed(violations, format!("{path}.change.to"), wanted.to);
            Requirement::Change { binding: binding?, to: to? }
        }
        Some(Kind::WidenPartnership(wanted)) => {
            let binding = violations.name(format!("{path}.widen_partnership.binding"), BindingName::parse(&wanted.binding));
            let to = read_partnership(violations, format!("{path}.widen_partnership.to"), wanted.to);
            Requirement::WidenPartnership { binding: binding?, to: to? }
        }
        Some(Kind::JoinGroup(edge)) => {
            let GroupEdge { group, member } = read_edge(violations, format!("{path}.join_group"), &edge)?;
            Requirement::JoinGroup { group, member }
        }
        Some(Kind::LeaveGroup(edge)) => {
            let GroupEdge { group, member } = read_edge(violations, format!("{path}.leave_group"), &edge)?;
            Requirement::LeaveGroup { group, member }
        }
        Some(Kind::DefineRole(record)) => {
            Requirement::DefineRole { role: read_custom_role(violations, format!("{path}.define_role"), record)? }
        }
        Some(Kind::DeleteRole(name)) => {
            Requirement::DeleteRole { role: violations.name(format!("{path}.delete_role"), RoleName::parse(&name))? }
        }
        Some(Kind::Move(wanted)) => Requirement::Move { to: read_node(violations, format!("{path}.move.to"), wanted.to)? },
        Some(Kind::Restore(wanted)) => Requirement::Restore { to: read_node(violations, format!("{path}.restore.to"), wanted.to)? },
        Some(Kind::Platform(wire::Platform {})) => Requirement::Platform,
        Some(Kind::Myself(name)) => Requirement::Myself { user: violations.name(format!("{path}.myself"), UserName::parse(&name))? },
        Some(Kind::Known(wire::Known {})) => return Some(Wanted::Known),
        Some(Kind::AnyOf(any)) => {
            if any.requirements.is_empty() {
                violations.add(format!("{path}.any_of"), "give at least one alternative");
            }
            let read = |(index, one)| read_requirement(violations, &format!("{path}.any_of.requirements[{index}]"), one, count);
            return Some(Wanted::AnyOf(any.requirements.into_iter().enumerate().filter_map(read).collect()));
        }
    };
    Some(Wanted::Requirement(Box::new(requirement)))
}

fn read_state<T>(violations: &mut Violations, path: String, read: Result<T, Problem>) -> Option<T> {
    read.map_err(|problem| violations.add(path, problem.to_string())).ok()
}

fn read_proposed(violations: &mut Violations, path: String, state: Option<RoleBindingState>) -> Option<Binding> {
    let Some(state) = state else {
        violations.add(path, "required");
        return None;
    };
    let node = violations.name(format!("{path}.node"), NodeName::parse(&state.node))?;
    // Its name is not looked at; every binding has one.
    let name = violations.name(path.clone(), BindingName::parse(&format!("{}/roleBindings/proposed", node.organization())))?;
    read_state(violations, path, feed::read_binding(name, state))
}

fn read_edge(violations: &mut Violations, path: String, state: &GroupEdgeState) -> Option<GroupEdge> {
    read_state(violations, path, feed::read_group_edge(state))
}

fn read_custom_role(violations: &mut Violations, path: String, record: Message) -> Option<CustomRole> {
    let is_role = |record| if let Record::CustomRole(role) = record { Some(role) } else { None };
    read_record(violations, path, record, "give the key and the state of a custom role", is_role)
}

fn read_partnership(violations: &mut Violations, path: String, record: Option<Message>) -> Option<Partnership> {
    let is_partnership = |record| if let Record::Partnership(partnership) = record { Some(partnership) } else { None };
    read_record(violations, path, record.unwrap_or_default(), "give the key and the state of a partnership", is_partnership)
}

fn read_node(violations: &mut Violations, path: String, record: Option<Message>) -> Option<Node> {
    let is_node = |record| if let Record::Node(node) = record { Some(node) } else { None };
    read_record(violations, path, record.unwrap_or_default(), "give the key and the state of a node", is_node)
}

fn read_record<T>(
    violations: &mut Violations,
    path: String,
    record: Message,
    expected: &str,
    of_kind: impl Fn(Record) -> Option<T>,
) -> Option<T> {
    let problem = match feed::read(record) {
        Ok(Change::Put(record)) => match of_kind(*record) {
            Some(state) => return Some(state),
            None => None,
        },
        Ok(Change::Gone | Change::Skip) => None,
        Err(malformed) => Some(malformed.to_string()),
    };
    violations.add(path, problem.unwrap_or_else(|| expected.to_owned()));
    None
}

pub(crate) fn write_permit(granted: &Granted, decided_at: Token) -> wire::Permit {
    let stamps = granted.stamps.iter().map(|(tree, revision)| wire::Stamp { tree: tree.clone(), revision: *revision });
    let mut permit = wire::Permit {
        stamps: stamps.collect(),
        expire_time: granted.expires.map(feed::write_time),
        terms: granted.terms.iter().map(|terms| write_terms(&granted.view, terms)).collect(),
        revision: decided_at.to_string(),
        platform: granted.platform,
        written: granted.written.clone(),
        kind: granted.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        ..wire::Permit::default()
    };
    let root = granted.written.first().and_then(|root| NodeName::parse(root).ok());
    if let Some(pinned) = root.as_ref().and_then(|root| granted.view.model_of(root)) {
        let document = pinned.model.document();
        permit.role_model = format!("roleModels/{}", document.model);
        permit.role_model_revision = pinned.revision;
        permit.membership = Some(write_membership(document));
        permit.required_roles =
            document.roles.iter().filter(|role| role.seats.least > 0).map(|role| write_system_role(document, role)).collect();
    }
    permit
}

pub(super) fn write_membership(document: &Document) -> wire::MembershipTerms {
    let membership = &document.membership;
    wire::MembershipTerms {
        organization_roles: membership.organization_roles.iter().map(|id| role_name(document, id)).collect(),
        default_role: if membership.default.is_empty() { String::new() } else { role_name(document, &membership.default) },
        grant_joins: membership.on_grant == OnGrant::Join,
        permanent: membership.permanent,
        leave: membership.leave,
    }
}

fn write_terms(view: &View, terms: &Terms) -> wire::Terms {
    let document = terms.model.as_ref().and_then(|(model, revision)| view.model(model, *revision)).map(|model| model.document());
    let write = |role: &RoleTerms| write_role_terms(document, role);
    wire::Terms {
        role: terms.role.as_ref().map(write),
        present_role: terms.present_role.as_ref().map(write),
        bindings_in_use: u32::try_from(terms.role_bindings).unwrap_or(u32::MAX),
        principal_is_member: terms.principal_is_member,
    }
}

pub(super) fn write_role_terms(document: Option<&Document>, role: &RoleTerms) -> wire::RoleTerms {
    let system = document.filter(|_| matches!(role.name.owner(), RoleOwner::Model(_))).and_then(|document| {
        let declared = document.roles.iter().find(|declared| declared.id == role.name.id())?;
        Some(write_system_role(document, declared))
    });
    system.unwrap_or_else(|| wire::RoleTerms {
        role: role.name.to_string(),
        held_at: role.held_at.clone(),
        organizations: scope(OrganizationScope::Any).to_owned(),
        seats_least: role.seats.least,
        seats_most: role.seats.most,
        exclusive_set: role.exclusive.iter().map(ToString::to_string).collect(),
    })
}

pub(super) fn write_system_role(document: &Document, role: &Role) -> wire::RoleTerms {
    let set = document.roles.iter().filter(|other| !role.exclusive.is_empty() && other.exclusive == role.exclusive);
    wire::RoleTerms {
        role: role_name(document, &role.id),
        held_at: role.held_at.clone(),
        organizations: scope(role.organizations).to_owned(),
        seats_least: role.seats.least,
        seats_most: role.seats.most,
        exclusive_set: set.map(|other| role_name(document, &other.id)).collect(),
    }
}

fn role_name(document: &Document, id: &str) -> String {
    format!("roleModels/{}/roles/{id}", document.model)
}

fn scope(organizations: OrganizationScope) -> &'static str {
    match organizations {
        OrganizationScope::Any => "any",
        OrganizationScope::Roots => "roots",
        OrganizationScope::Customers => "customers",
    }
}
