//! The messages of lists: of resources, of assignable roles, of what would change.

use api::{
    authz::v1::{
        self as wire, GetTreeRulesRequest, ListAssignableRolesRequest, ListAssignableRolesResponse, ListPermittedRequest,
        ListPermittedResponse, ListResourcesRequest, ListResourcesResponse, ListStandingsRequest, ListStandingsResponse,
        PreviewAccessRequest, PreviewAccessResponse, TreeRules, participation::Membership,
    },
    feed::v1::Record as Message,
};
use chassis::{Identity, page};
use client::token::Token;
use decision::{
    document::MapRule,
    name::{NodeName, Principal, Sponsor, UserName},
    permit::{AssignPath, Assignable, Offer},
    preview::{AccessChange, Difference, RoleChange},
    reach::{Container, Reached},
    roster::{Participation, Reaching, Standing},
    view::{Pinned, View},
};
use replica::{Consistency, wire::write_components};
use tonic::Status;

use super::{
    permit::{read_at_least, write_membership, write_role_terms, write_system_role},
    read_consistency, read_permission, reason_word,
    violations::Violations,
};
use crate::status;

/// As the contracts say.
const DEFAULT_PAGE: usize = 100;
const MOST_PAGE: usize = 1_000;
const MOST_RECORDS: usize = 1_000;
const MOST_PREVIEWED: usize = 100;
const MOST_CHANGES: usize = 10_000;

/// Which nodes, for whom.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) user: UserName,
    pub(crate) permission: String,
    pub(crate) container: Container,
    pub(crate) under: Option<NodeName>,
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
}

/// What would be so, and where to look.
#[derive(Debug)]
pub(crate) struct Preview {
    pub(crate) hypothetical: Vec<Message>,
    pub(crate) nodes: Vec<NodeName>,
    pub(crate) most: usize,
}

/// Who, and where.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) nodes: Vec<NodeName>,
    pub(crate) users: Vec<UserName>,
    pub(crate) with_participations: bool,
}

/// Whose list it is and of what: what binds its page tokens.
pub(crate) type Pages = [u8; 32];

/// The token holds a name that its owner was shown, so that forging one gains nothing: no secret is needed, and every replica reads it.
fn page_key() -> page::PageKey {
    page::PageKey::new([0; 32])
}

pub(crate) fn read_list_resources(message: ListResourcesRequest, identity: &Identity) -> Result<((Listing, Pages), Consistency), Status> {
    let parameters = ListResourcesRequest { page_size: 0, page_token: String::new(), consistency: None, ..message.clone() };
    let pages = page::binding(identity, "authz.v1.CheckService/ListResources", &parameters);
    let mut violations = Violations::default();
    let limit = match usize::try_from(message.page_size) {
        Ok(0) => DEFAULT_PAGE,
        Ok(size) if size <= MOST_PAGE => size,
        Ok(_) | Err(_) => {
            violations.add("page_size", "1 to 1,000, or 0 for 100");
            DEFAULT_PAGE
        }
    };
    let what = What { user: message.user, permission: message.permission, parent: message.parent, limit };
    let listing = read_listing(&mut violations, what, "resource_type", &message.resource_type);
    let consistency = read_consistency(&mut violations, message.consistency);
    let (listing, consistency) = violations.none_in((listing, consistency))?;
    let after = page_key().decode(&message.page_token, &pages)?.and_then(|key| key.into_iter().next());
    Ok(((Listing { after, ..listing }, pages), consistency))
}

pub(crate) fn read_list_permitted(message: ListPermittedRequest) -> Result<(Listing, Consistency), Status> {
    let mut violations = Violations::default();
    let limit = usize::try_from(message.limit).unwrap_or(usize::MAX);
    if limit == 0 || limit > MOST_PAGE {
        violations.add("limit", format!("1 to {MOST_PAGE}"));
    }
    let what = What { user: message.user, permission: message.permission, parent: message.parent, limit };
    let listing = read_listing(&mut violations, what, "node_type", &message.node_type);
    let consistency = read_at_least(&mut violations, &message.at_least_as_fresh);
    let (listing, consistency) = violations.none_in((listing, consistency))?;
    Ok((Listing { after: Some(message.after).filter(|after| !after.is_empty()), ..listing }, consistency))
}

struct What {
    user: String,
    permission: String,
    parent: String,
    limit: usize,
}

fn read_listing(violations: &mut Violations, what: What, type_path: &str, type_id: &str) -> Option<Listing> {
    let user = violations.name("user", UserName::parse(&what.user));
    let permission = read_permission(violations, "permission".to_owned(), what.permission);
    let container = Container::parse(type_id);
    if container.is_none() {
        violations.add(type_path, "`organization`, `workspace` or `account`");
    }
    let under = if what.parent.is_empty() { None } else { violations.name("parent", NodeName::parse(&what.parent)) };
    if under.as_ref().is_some_and(|under| !under.is_container()) {
        violations.add("parent", "an organization, workspace or account");
    }
    Some(Listing { user: user?, permission: permission?, container: container?, under, after: None, limit: what.limit })
}

pub(crate) fn write_resources(reached: &Reached, pages: &Pages, decided_at: Token) -> ListResourcesResponse {
    let next = reached.next.as_ref().map(|name| page_key().encode(&[name.as_str()], pages));
    ListResourcesResponse {
        resources: reached.names.iter().map(ToString::to_string).collect(),
        complete: next.is_none(),
        next_page_token: next.unwrap_or_default(),
        revision: decided_at.to_string(),
    }
}

pub(crate) fn write_permitted(reached: &Reached) -> ListPermittedResponse {
    ListPermittedResponse {
        nodes: reached.names.iter().map(ToString::to_string).collect(),
        next_after: reached.next.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

pub(crate) fn read_list_standings(message: ListStandingsRequest) -> Result<(Who, Consistency), Status> {
    let mut violations = Violations::default();
    if message.nodes.is_empty() || message.nodes.len() > MOST_PAGE {
        violations.add("nodes", format!("give 1 to {MOST_PAGE} nodes, not {}", message.nodes.len()));
    }
    if message.users.len().saturating_mul(message.nodes.len()) > MOST_PAGE {
        violations.add("users", format!("at most {MOST_PAGE} pairs of a user and a node"));
    }
    let (mut nodes, mut users) = (Vec::new(), Vec::new());
    for (index, name) in message.nodes.iter().enumerate().take(MOST_PAGE) {
        nodes.extend(violations.name(format!("nodes[{index}]"), NodeName::parse(name)));
    }
    for (index, name) in message.users.iter().enumerate().take(MOST_PAGE) {
        users.extend(violations.name(format!("users[{index}]"), UserName::parse(name)));
    }
    let consistency = read_at_least(&mut violations, &message.at_least_as_fresh);
    violations.none_in((Some(Who { nodes, users, with_participations: message.with_participations }), consistency))
}

pub(crate) fn write_standings<'a>(
    held: impl Iterator<Item = (&'a UserName, &'a NodeName, Standing)>,
    reaching: Vec<Reaching>,
    participations: impl Iterator<Item = (&'a UserName, Participation)>,
    decided_at: Token,
) -> ListStandingsResponse {
    let standing = |(user, node, held): (&UserName, &NodeName, Standing)| wire::Standing {
        user: user.to_string(),
        node: node.to_string(),
        role: held.role.to_string(),
        at: held.at.to_string(),
        role_binding: held.binding.to_string(),
        bound_role: held.bound_role.to_string(),
        bound_at: held.bound_at.to_string(),
        group: held.group.as_ref().map(ToString::to_string).unwrap_or_default(),
        organization: held.organization.as_ref().map(ToString::to_string).unwrap_or_default(),
        sponsor: held.sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let reaching = reaching.into_iter().map(|reaching| wire::ReachingRole {
        node: reaching.node.to_string(),
        role: reaching.role.to_string(),
        implied: reaching.implied.iter().map(ToString::to_string).collect(),
    });
    ListStandingsResponse {
        standings: held.map(standing).collect(),
        reaching: reaching.collect(),
        revision: decided_at.to_string(),
        participations: participations.map(|(user, participation)| write_participation(user, participation)).collect(),
    }
}

/// What a user is and holds.
fn write_participation(user: &UserName, participation: Participation) -> wire::Participation {
    let membership = match participation.membership {
        None => Membership::Unspecified,
        Some(false) => Membership::Active,
        Some(true) => Membership::Suspended,
    };
    let holdings = participation.holdings.into_iter().map(|holding| wire::Holding {
        role_binding: holding.binding.to_string(),
        role: holding.role.to_string(),
        node: holding.node.to_string(),
        group: holding.group.as_ref().map(ToString::to_string).unwrap_or_default(),
        sponsor: holding.sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
    });
    wire::Participation {
        user: user.to_string(),
        suspended: participation.suspended,
        membership: membership.into(),
        holdings: holdings.collect(),
    }
}

pub(crate) fn read_list_assignable(message: ListAssignableRolesRequest) -> Result<((UserName, Offer), Consistency), Status> {
    let mut violations = Violations::default();
    let actor = violations.name("actor", UserName::parse(&message.actor));
    let node = violations.name("node", NodeName::parse(&message.node));
    let principal = if message.principal.is_empty() { None } else { violations.name("principal", Principal::parse(&message.principal)) };
    let sponsor = if message.sponsor.is_empty() { None } else { violations.name("sponsor", Sponsor::parse(&message.sponsor)) };
    let path = if message.invite { AssignPath::Invite } else { AssignPath::Assign };
    let consistency = read_at_least(&mut violations, &message.at_least_as_fresh);
    let offer = node.map(|node| Offer { node, principal, sponsor, path });
    violations.none_in((actor.zip(offer), consistency))
}

pub(crate) fn write_assignable(view: &View, node: &NodeName, listed: &[Assignable], decided_at: Token) -> ListAssignableRolesResponse {
    let document = view.model_of(node).map(|pinned| pinned.model.document());
    let write = |role: &Assignable| {
        let declared = document.and_then(|document| {
            let is_of_model = matches!(role.role.name.owner(), decision::name::RoleOwner::Model(_));
            document.roles.iter().find(|declared| is_of_model && declared.id == role.role.name.id())
        });
        let refusal = role.verdict.as_ref().err().map(status::refusal);
        wire::AssignableRole {
            role: Some(write_role_terms(document, &role.role)),
            title: declared.map(|declared| declared.title.clone()).unwrap_or_default(),
            assignable: refusal.is_none(),
            reason: refusal.as_ref().map(|refusal| reason_word(refusal.reason())).unwrap_or_default(),
            message: refusal.as_ref().map(|refusal| refusal.message().to_owned()).unwrap_or_default(),
            takes_components: role.role.component_map != MapRule::Forbidden,
            needs_components: role.needs_components,
            most_components: role.most_components.as_ref().map(write_components),
        }
    };
    ListAssignableRolesResponse {
        roles: listed.iter().map(write).collect(),
        membership: document.map(write_membership),
        revision: decided_at.to_string(),
    }
}

pub(crate) fn read_preview(message: PreviewAccessRequest) -> Result<(Preview, Consistency), Status> {
    let mut violations = Violations::default();
    if message.hypothetical.is_empty() || message.hypothetical.len() > MOST_RECORDS {
        violations.add("hypothetical", format!("give 1 to {MOST_RECORDS} records, not {}", message.hypothetical.len()));
    }
    if message.nodes.is_empty() || message.nodes.len() > MOST_PREVIEWED {
        violations.add("nodes", format!("give 1 to {MOST_PREVIEWED} nodes, not {}", message.nodes.len()));
    }
    let mut nodes = Vec::new();
    for (index, name) in message.nodes.iter().enumerate() {
        nodes.extend(violations.name(format!("nodes[{index}]"), NodeName::parse(name)));
    }
    let most = usize::try_from(message.most).unwrap_or(usize::MAX);
    if most == 0 || most > MOST_CHANGES {
        violations.add("most", format!("1 to {MOST_CHANGES}"));
    }
    let consistency = read_at_least(&mut violations, &message.at_least_as_fresh);
    violations.none_in((Some(Preview { hypothetical: message.hypothetical, nodes, most }), consistency))
}

pub(crate) fn write_preview(difference: Difference, decided_at: Token) -> PreviewAccessResponse {
    let access = |change: AccessChange| wire::AccessChange {
        user: change.user.to_string(),
        node: change.node.to_string(),
        gained: change.gained.into_iter().collect(),
        lost: change.lost.into_iter().collect(),
        gained_conditionally: change.gained_conditionally.into_iter().collect(),
        lost_conditionally: change.lost_conditionally.into_iter().collect(),
    };
    let role = |change: RoleChange| wire::RoleChange {
        role: change.role.to_string(),
        gained: change.gained.into_iter().collect(),
        lost: change.lost.into_iter().collect(),
    };
    PreviewAccessResponse {
        access: difference.access.into_iter().map(access).collect(),
        roles: difference.roles.into_iter().map(role).collect(),
        complete: difference.complete,
        revision: decided_at.to_string(),
    }
}

pub(crate) fn read_tree_rules(message: GetTreeRulesRequest) -> Result<(NodeName, Consistency), Status> {
    let mut violations = Violations::default();
    let tree = violations.name("tree", NodeName::parse(&message.tree));
    let consistency = read_at_least(&mut violations, &message.at_least_as_fresh);
    violations.none_in((tree, consistency))
}

pub(crate) fn write_tree_rules(pinned: &Pinned<'_>, decided_at: Token) -> TreeRules {
    let document = pinned.model.document();
    TreeRules {
        root: pinned.root.to_string(),
        role_model: format!("roleModels/{}", document.model),
        role_model_revision: pinned.revision,
        membership: Some(write_membership(document)),
        roles: document.roles.iter().map(|role| write_system_role(document, role)).collect(),
        revision: decided_at.to_string(),
    }
}
