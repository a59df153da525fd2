//! The verdict that an actor may, and everything that it rests on. Pure: one world, one moment.

use std::collections::{BTreeMap, BTreeSet};

use api::feed::v1::Record as Message;
use decision::{
    decide::decide,
    decision::{Outcome, Query},
    name::{NodeKind, NodeName, UserName},
    permit::{Actor, Grounds, Refusal, Requirement, Terms, permit},
    record::{OrganizationKind, Timestamp},
    view::View,
};
use replica::Snapshot;

use crate::hypothesis::{Unfit, assume};

/// What an actor wants: all of `wanted`.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) actor: UserName,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) hypothetical: Vec<Message>,
    pub(crate) written: Vec<Written>,
}

/// One thing that an actor wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// What the engine decides.
    Requirement(Box<Requirement>),
    /// To be an active user, or the platform.
    Known,
    /// The first of these that it may.
    AnyOf(Vec<Wanted>),
}

/// Where something is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// In the tree that this node is in.
    InTreeOf(NodeName),
    /// In no tree: `users/ann`, `roleModels/m`.
    Outside(String),
}

/// That it may.
#[derive(Debug)]
pub(crate) struct Granted {
    /// The world with the hypothesis in it.
    pub(crate) view: View,
    /// Trees with the last change that the verdict has seen of them.
    pub(crate) stamps: Vec<(String, u64)>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) terms: Vec<Terms>,
    /// The roots of what is to be written, in the order asked.
    pub(crate) written: Vec<String>,
    /// The kind of the organization that the first of them is or is in.
    pub(crate) kind: Option<OrganizationKind>,
    pub(crate) platform: bool,
}

/// Why it may not.
#[derive(Debug)]
pub(crate) enum Refused {
    /// What is assumed cannot be.
    Unfit(Unfit),
    /// The actor is unknown or suspended.
    NobodyKnown,
    /// It may not, or wants what makes no sense.
    Refusal(Box<Refusal>),
}

impl From<Unfit> for Refused {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// Who a user is to Tenantry.
pub(crate) fn actor_of(view: &View, name: &UserName, platform: &UserName) -> Option<Actor> {
    if name == platform {
        return Some(Actor::Platform);
    }
    view.user(name).filter(|user| !user.suspended).map(|_| Actor::User(name.clone()))
}

/// Decides.
pub(crate) fn grant(world: &Snapshot, platform: &UserName, ask: Ask, now: Timestamp) -> Result<Granted, Refused> {
    // The actor is who the ledger knows, not who the hypothesis might make known.
    let actor = actor_of(world.view(), &ask.actor, platform).ok_or(Refused::NobodyKnown)?;
    let assumed = assume(world.view(), ask.hypothetical)?;
    let mut trees = assumed.trees.clone();
    let (mut expires, mut terms) = (None, Vec::new());
    for wanted in &ask.wanted {
        let grounds =
            evaluate([world.view(), &assumed.view], &actor, wanted, now).map_err(|refusal| Refused::Refusal(Box::new(refusal)))?;
        trees.extend(grounds.trees);
        expires = [expires, grounds.expires].into_iter().flatten().min();
        terms.push(grounds.terms);
    }
    assumed.fits(platform)?;
    let written: Vec<String> = ask.written.iter().map(|written| root_of(&assumed.view, written)).collect();
    trees.extend(written.iter().cloned());
    if let Actor::User(name) = &actor {
        trees.insert(name.to_string());
    }
    let kind = match ask.written.first() {
        Some(Written::InTreeOf(name)) => assumed.view.node(&name.organization()).map(|organization| organization.kind),
        Some(Written::Outside(_)) | None => None,
    };
    let platform = actor == Actor::Platform;
    Ok(Granted { view: assumed.view, stamps: stamps(world, trees), expires, terms, written, kind, platform })
}

/// Decides in the world with the hypothesis in it, or in the present one what compares that with another.
fn evaluate(worlds: [&View; 2], actor: &Actor, wanted: &Wanted, now: Timestamp) -> Result<Grounds, Refusal> {
    let [present, assumed] = worlds;
    match wanted {
        Wanted::Requirement(requirement) => {
            let is_of_present = matches!(**requirement, Requirement::Move { .. } | Requirement::Restore { .. });
            permit(if is_of_present { present } else { assumed }, actor, requirement, now)
        }
        // Whoever is not known did not come this far.
        Wanted::Known => Ok(Grounds::default()),
        Wanted::AnyOf(alternatives) => {
            let mut telling = None;
            for alternative in alternatives {
                match evaluate(worlds, actor, alternative, now) {
                    Ok(grounds) => return Ok(grounds),
                    // The first is told; but what more is told to those only who may know, is worth more to them.
                    Err(refusal) if telling.as_ref().is_none_or(says_nothing) && !says_nothing(&refusal) => telling = Some(refusal),
                    Err(refusal) => telling = telling.or(Some(refusal)),
                }
            }
            // None only where there are no alternatives, which reading refuses.
            Err(telling.unwrap_or(Refusal::NotYourself))
        }
    }
}

/// What is said to strangers too.
fn says_nothing(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NotAllowed { .. } | Refusal::NotYourself)
}

fn stamps(world: &Snapshot, trees: BTreeSet<String>) -> Vec<(String, u64)> {
    let stamp = |tree: String| {
        let revision = world.tree_revision(&tree);
        (tree, revision)
    };
    trees.into_iter().map(stamp).collect()
}

/// The root of the tree that a name is in; of one that leads to no root, its own organization.
fn root_of(view: &View, written: &Written) -> String {
    match written {
        Written::Outside(name) => name.clone(),
        Written::InTreeOf(name) => {
            let above = view.ancestors(name);
            let is_root =
                |node: &&NodeName| node.kind() == NodeKind::Organization && view.node(node).is_some_and(|node| node.parent.is_none());
            above.last().filter(is_root).map_or_else(|| name.organization().to_string(), ToString::to_string)
        }
    }
}

/// Which of some nodes.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) actor: UserName,
    pub(crate) permission: String,
    pub(crate) nodes: Vec<NodeName>,
}

/// Those on which the user has the permission, in the order given; the platform has every one.
pub(crate) fn permitted(view: &View, platform: &UserName, filter: Filter, now: Timestamp) -> Vec<NodeName> {
    let Filter { actor, permission, nodes } = filter;
    let user = match actor_of(view, &actor, platform) {
        None => return Vec::new(),
        Some(Actor::Platform) => return nodes,
        Some(Actor::User(user)) => user,
    };
    let may = |node: &NodeName| {
        let query = Query { user: user.clone(), permission: permission.clone(), resource: node.clone(), attributes: BTreeMap::new() };
        decide(view, &query, now).is_ok_and(|decided| matches!(decided.outcome, Outcome::Allow(_)))
    };
    nodes.into_iter().filter(may).collect()
}
