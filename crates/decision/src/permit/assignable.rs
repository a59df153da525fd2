//! Which roles an actor may give at a node. One rule decides, that of [`permit`]: this only asks it about every role.

use std::collections::{BTreeMap, BTreeSet};

use super::{Actor, AssignPath, Case, Desk, Refusal, Requirement, RoleTerms, permit};
use crate::{
    document::{Level, MapRule},
    model::{RoleModel, gives},
    name::{BindingName, NodeName, Principal, RoleName, Sponsor, UserName},
    record::{Binding, Timestamp},
    standing::HeldRole,
    view::View,
};

/// To whom a role would be given, where and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Where.
    pub node: NodeName,
    /// To whom; `None`: a user who is not known yet.
    pub principal: Option<Principal>,
    /// What lets a non-member hold it.
    pub sponsor: Option<Sponsor>,
    /// How.
    pub path: AssignPath,
}

/// A role that can be held at the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignable {
    /// The role.
    pub role: RoleTerms,
    /// Whether the actor may give it: without a component map, or with the largest.
    pub verdict: Result<(), Refusal>,
    /// It can only be given with a component map.
    pub needs_components: bool,
    /// For a role with component maps, the largest that the actor may give, as far as the role goes. Whatever is within it may be given.
    pub most_components: Option<BTreeMap<String, Level>>,
}

/// The roles that can be held at a node: the system roles in the role model's order, then custom roles by name.
///
/// # Errors
///
/// Nothing at the node may be known to the actor, or there is no such node.
pub fn assignable(view: &View, actor: &Actor, offer: &Offer, now: Timestamp) -> Result<Vec<Assignable>, Refusal> {
    let case = Desk { view, actor, now }.open(&offer.node, "")?;
    let model = &case.question.rules.installed.model;
    let system = model.roles().iter().zip(0..).map(|(role, index)| (RoleName::system(model.id(), &role.id), HeldRole::System(index, role)));
    let mut custom: Vec<_> = view.custom_roles(&offer.node.organization()).collect();
    custom.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let custom = custom.into_iter().map(|role| (Some(role.name.clone()), HeldRole::Custom(role)));
    let mut listed = Vec::new();
    for (name, role) in system.chain(custom).filter(|(_, role)| case.can_be_held(*role)) {
        let Some(terms) = name.and_then(|name| case.role_terms(&name)) else { continue };
        let Some(proposal) = proposal(offer, &terms.name) else { continue };
        listed.push(judge(view, actor, offer.path, &case.levels(role), terms, &proposal, now));
    }
    Ok(listed)
}

/// Asks about one role: as it is, then component by component, then with all that may be given.
fn judge(
    view: &View,
    actor: &Actor,
    path: AssignPath,
    levels: &BTreeMap<String, BTreeSet<Level>>,
    role: RoleTerms,
    proposal: &Binding,
    now: Timestamp,
) -> Assignable {
    let ask = |components: Option<BTreeMap<String, Level>>| {
        let binding = Binding { components, ..proposal.clone() };
        permit(view, actor, &Requirement::Assign { binding, path }, now).map(drop)
    };
    if role.component_map == MapRule::Forbidden {
        return Assignable { role, verdict: ask(None), needs_components: false, most_components: None };
    }
    // What is contained is contained component by component: a map gives what its components give.
    let may = |id: &String, level: Level| ask(Some(BTreeMap::from([(id.clone(), level)]))).is_ok();
    let largest = |(id, levels): (&String, &BTreeSet<Level>)| {
        let level = levels.iter().rev().copied().find(|level| may(id, *level))?;
        Some((id.clone(), level))
    };
    let given: BTreeMap<String, Level> = levels.iter().filter_map(largest).collect();
    let plain = ask(None);
    let needs_components = role.component_map == MapRule::Required || (plain.is_err() && !given.is_empty());
    let verdict = match (needs_components, given.is_empty()) {
        (false, _) => plain,
        (true, false) => ask(Some(given.clone())),
        // Nothing that it could be narrowed to may be given: what all of it says is why.
        (true, true) => ask(Some(levels.iter().filter_map(|(id, levels)| Some((id.clone(), *levels.last()?))).collect())),
    };
    Assignable { role, verdict, needs_components, most_components: Some(given) }
}

fn proposal(offer: &Offer, role: &RoleName) -> Option<Binding> {
    // Neither name is looked at: the binding's never is, and of a user who is not known nothing is known.
    let name = BindingName::parse(&format!("{}/roleBindings/proposed", offer.node.organization())).ok()?;
    let principal = match &offer.principal {
        Some(principal) => principal.clone(),
        None => Principal::User(UserName::parse("users/unknown").ok()?),
    };
    Some(Binding {
        name,
        principal,
        role: role.clone(),
        node: offer.node.clone(),
        components: None,
        condition: None,
        expires: None,
        sponsor: offer.sponsor.clone(),
    })
}

impl Case<'_> {
    /// Whether a role is held at nodes like this one.
    fn can_be_held(&self, role: HeldRole<'_>) -> bool {
        let (rules, path) = (&self.question.rules, &self.question.path);
        let model = &rules.installed.model;
        match role {
            HeldRole::System(_, role) => rules.fits(path, 0, role),
            HeldRole::Custom(custom) => {
                let held_at = model.type_index(&custom.held_at);
                model.document().custom_roles.is_some()
                    && held_at == path.type_at(model, 0)
                    && held_at.is_some_and(|held_at| model.custom_held_at().contains(held_at))
            }
        }
    }

    /// The components that a role gives something of, each with the levels of what it gives.
    fn levels(&self, role: HeldRole<'_>) -> BTreeMap<String, BTreeSet<Level>> {
        let model: &RoleModel = &self.question.rules.installed.model;
        let mut levels: BTreeMap<String, BTreeSet<Level>> = BTreeMap::new();
        for (permission, index) in model.permissions().iter().zip(0..).filter(|(permission, _)| !permission.nobody) {
            let component = model.components().get(usize::from(permission.component)).filter(|component| !component.reserved);
            let Some(component) = component else { continue };
            let is_given = match role {
                HeldRole::System(_, role) => !role.hits(index).is_empty(),
                HeldRole::Custom(custom) => custom.grants.iter().any(|grant| gives(grant, permission, component)),
            };
            if is_given {
                levels.entry(component.id.clone()).or_default().insert(permission.level);
            }
        }
        levels
    }
}
