//! Who could give which role: roles that nobody can reach, and assigners that could hand out more than they have.
//!
//! An assigner here is a role with grants of the permission that giving another role needs. Containment at run time guards
//! custom roles, component maps and roles marked `contained`; for every other role it is guaranteed here: whoever may give it has
//! all that it gives, by its own grants. Grants are compared, not gates: kinds, needs and ceilings narrow both alike.

use std::collections::BTreeMap;

use super::{
    Findings,
    bits::Bits,
    known::{Known, ORGANIZATION, WORKSPACE, component_of},
};
use crate::{
    document::{Document, Level, MapRule, OrganizationScope, Role},
    model::TypeIndex,
    reserved,
};

/// Most steps, each over a few sets of permissions, that comparing the roles may take: well below a second, also where nothing is optimized.
const MOST_STEPS: u64 = 800_000;

/// Where a role gives something, and under which condition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    node_type: TypeIndex,
    /// On nodes below which nodes: of this type where the role is implied, at the role's own node if `None`.
    under: Option<TypeIndex>,
    /// The condition in use, by its number.
    condition: Option<usize>,
}

/// What a role gives at a place.
#[derive(Clone)]
struct Spread {
    /// In the organization in which the role is held.
    home: Bits,
    /// In customer organizations below.
    away: Bits,
}

type Extents = BTreeMap<Place, Spread>;

/// How an assigner stands to the node at which it gives a role.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    /// At or above it in the same organization.
    Home,
    /// Above it, in an organization whose customer the node's organization is.
    Away,
    /// Below it: it gives upward, to the organization.
    Below,
}

/// There were more steps than there may be.
struct TooMany;

/// What comparing roles needs to know of all of them.
struct Comparison<'k, 'd> {
    known: &'k Known<'d>,
    /// The permissions by index.
    names: Vec<&'d str>,
    /// By type: the permissions that apply to it.
    applying: Vec<Bits>,
    /// By permission: those that are it or imply it.
    givers: Vec<Bits>,
    /// The same, whatever kinds, needs, ceilings and maps say.
    sure_givers: Vec<Bits>,
    nobody: Bits,
    conditions: BTreeMap<String, usize>,
    extents: BTreeMap<&'d str, Extents>,
    steps: u64,
}

pub(super) fn check(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    if let Err(TooMany) = compare(document, known, findings) {
        findings.report(
            "roles",
            "the roles, with what each gives on which types of node, are too many to compare who could give which; have fewer roles, grants or \
             types, or mark roles as contained",
        );
    }
}

fn compare(document: &Document, known: &Known<'_>, findings: &mut Findings) -> Result<(), TooMany> {
    let mut comparison = Comparison::of(known);
    for role in &document.roles {
        comparison.add_extents(role)?;
    }
    for (index, role) in document.roles.iter().enumerate() {
        let invite = if role.invite_with.is_empty() || role.invite_with == role.assign_with { None } else { Some(&role.invite_with) };
        for (field, permission) in [("assign_with", Some(&role.assign_with)), ("invite_with", invite)] {
            let Some(permission) = permission.filter(|permission| !permission.is_empty()) else { continue };
            let at = format!("roles[{index}].{field}");
            let mut reached = false;
            for assigner in &document.roles {
                for stand in [Stand::Home, Stand::Away, Stand::Below] {
                    if !comparison.grants(assigner, role, permission, stand)? {
                        continue;
                    }
                    reached = true;
                    if !role.contained
                        && let Some((more, node_type, conditional)) = comparison.uncovered(assigner, role, permission, stand)?
                    {
                        findings.report(
                            at.as_str(),
                            format!(
                                "`{}` has `{permission}` and could give `{}`, but lacks `{more}` on `{node_type}`, which that role gives{}; mark \
                                 `{}` as contained, or grant `{}` as much",
                                assigner.id,
                                role.id,
                                if conditional { " under a condition" } else { "" },
                                role.id,
                                assigner.id
                            ),
                        );
                        break;
                    }
                }
            }
            if !reached {
                findings.report(
                    at.as_str(),
                    format!(
                        "no role grants `{permission}` on `{}`, so only the platform could give `{}`; grant it to a role, or leave it out",
                        role.held_at, role.id
                    ),
                );
            }
            comparison.custom_roles(document, role, permission, &at, findings);
        }
    }
    Ok(())
}

impl<'k, 'd> Comparison<'k, 'd> {
    fn of(known: &'k Known<'d>) -> Self {
        let count = known.permissions.len();
        let mut applying = vec![Bits::none(count); known.types.len()];
        let mut nobody = Bits::none(count);
        for facts in known.permissions.values() {
            for (at, bits) in (0..).zip(&mut applying) {
                if facts.types.contains(at) {
                    bits.insert(facts.index);
                }
            }
            if facts.nobody {
                nobody.insert(facts.index);
            }
        }
        Self {
            known,
            names: known.permissions.keys().copied().collect(),
            applying,
            givers: givers(known, false),
            sure_givers: givers(known, true),
            nobody,
            conditions: BTreeMap::new(),
            extents: BTreeMap::new(),
            steps: 0,
        }
    }

    fn step(&mut self, steps: usize) -> Result<(), TooMany> {
        self.steps += steps as u64;
        if self.steps > MOST_STEPS { Err(TooMany) } else { Ok(()) }
    }

    /// All that a role gives by its grants and by the roles it implies; its upward permissions apart.
    fn add_extents(&mut self, role: &'d Role) -> Result<(), TooMany> {
        if self.extents.contains_key(role.id.as_str()) {
            return Ok(());
        }
        let known = self.known;
        let mut extents = Extents::new();
        let inside = known.reach(&role.held_at, false);
        for grant in &role.grants {
            let (given, types) = (known.given(grant), known.grant_types(&role.held_at, grant));
            // Equal uses of a condition are one, wherever they stand.
            let condition = grant.condition.as_ref().and_then(|used| serde_json::to_string(used).ok()).map(|used| {
                let next = self.conditions.len();
                *self.conditions.entry(used).or_insert(next)
            });
            self.step(self.applying.len())?;
            for (node_type, applying) in (0..).zip(&self.applying).filter(|(at, _)| types.contains(*at)) {
                let mut here = given.clone();
                here.keep(applying);
                let spread = extents.entry(Place { node_type, under: None, condition }).or_insert_with(|| self.nothing());
                if inside.contains(node_type) {
                    spread.home.add(&here);
                }
                if grant.through_customers {
                    spread.away.add(&here);
                }
            }
        }
        // Ends: implying was found to have no circles.
        for implied in &role.implies {
            let Some(other) = known.roles.get(implied.role.as_str()).copied() else { continue };
            let at_home = known.has(known.below(&role.held_at, false), &other.held_at);
            self.add_extents(other)?;
            let more = self.extents.get(other.id.as_str()).cloned().unwrap_or_default();
            self.step(more.len())?;
            for (place, spread) in more {
                let under = place.under.or(known.type_index(&other.held_at));
                let mine = extents.entry(Place { under, ..place }).or_insert_with(|| self.nothing());
                if at_home {
                    mine.home.add(&spread.home);
                }
                // Customers stand below workspaces: what reaches them from every workspace reaches all of them.
                if implied.through_customers {
                    mine.away.add(&spread.home);
                }
                if at_home && other.held_at == WORKSPACE {
                    mine.away.add(&spread.away);
                }
            }
        }
        extents.retain(|_, spread| !spread.home.is_empty() || !spread.away.is_empty());
        self.extents.insert(&role.id, extents);
        Ok(())
    }

    fn nothing(&self) -> Spread {
        Spread { home: Bits::none(self.names.len()), away: Bits::none(self.names.len()) }
    }

    /// What a role gives at the places of a type of node.
    fn on(&self, role: &Role, node_type: TypeIndex) -> impl Iterator<Item = (&Place, &Spread)> {
        let first = Place { node_type, under: None, condition: None };
        let last = Place { node_type, under: Some(TypeIndex::MAX), condition: Some(usize::MAX) };
        self.extents.get(role.id.as_str()).into_iter().flat_map(move |extents| extents.range(first..=last))
    }

    /// Whether `assigner`, standing so, has the permission at nodes where `role` is held.
    fn grants(&mut self, assigner: &Role, role: &Role, permission: &str, stand: Stand) -> Result<bool, TooMany> {
        let known = self.known;
        let (Some(facts), Some(node_type)) = (known.permissions.get(permission), known.type_index(&role.held_at)) else { return Ok(false) };
        let scopes = [assigner.organizations, role.organizations];
        match stand {
            // A role of roots and one of customers are never held at the same organization.
            Stand::Home
                if assigner.held_at == ORGANIZATION
                    && role.held_at == ORGANIZATION
                    && scopes.contains(&OrganizationScope::Roots)
                    && scopes.contains(&OrganizationScope::Customers) =>
            {
                Ok(false)
            }
            Stand::Away if role.held_at == ORGANIZATION && role.organizations == OrganizationScope::Roots => Ok(false),
            Stand::Below => {
                if role.held_at != ORGANIZATION || assigner.held_at == ORGANIZATION {
                    return Ok(false);
                }
                self.step(1)?;
                Ok(self.upward(assigner).meets(&self.givers[facts.index]))
            }
            Stand::Home | Stand::Away => {
                let givers = &self.givers[facts.index];
                let mut steps = 1;
                // What an implied role grants makes that role the assigner.
                let own = self.on(assigner, node_type).take_while(|(place, _)| place.under.is_none());
                let found = own.inspect(|_| steps += 1).any(|(_, spread)| {
                    let given = if stand == Stand::Home { &spread.home } else { &spread.away };
                    given.meets(givers)
                });
                self.step(steps)?;
                Ok(found)
            }
        }
    }

    fn upward(&self, role: &Role) -> Bits {
        let mut upward = Bits::none(self.names.len());
        role.upward.iter().filter_map(|id| self.known.permissions.get(id.as_str())).for_each(|facts| upward.insert(facts.index));
        upward
    }

    /// Something that `role` gives and that `assigner`, standing so, may lack: the permission, the type of node, and whether it is under a
    /// condition.
    fn uncovered(&mut self, assigner: &Role, role: &Role, by: &str, stand: Stand) -> Result<Option<(&'d str, &'d str, bool)>, TooMany> {
        let known = self.known;
        let Some(organization) = known.type_index(ORGANIZATION) else { return Ok(None) };
        let kept = self.kept(assigner, by);
        let own = if role.held_at == ORGANIZATION { Bits::none(self.names.len()) } else { self.upward(role) };
        let up =
            (Place { node_type: organization, under: None, condition: None }, Spread { home: own, away: Bits::none(self.names.len()) });
        let down = self.extents.get(role.id.as_str()).into_iter().flatten();
        let wanted = down.map(|(place, spread)| (place, spread, false)).chain([(&up.0, &up.1, true)]);
        let mut steps = 0;
        let mut found = None;
        for (place, spread, upward) in wanted {
            let mut cover = |wanted: &Bits, has: Bits| self.first_lacking(wanted, &has, &mut steps);
            let lacking = match stand {
                Stand::Home => {
                    let mut home = self.covering(assigner, role, place, false, kept.as_ref());
                    if upward {
                        home.add(&self.upward(assigner));
                    }
                    let away = self.covering(assigner, role, place, true, kept.as_ref());
                    cover(&spread.home, home).or_else(|| cover(&spread.away, away))
                }
                Stand::Away => {
                    let mut all = spread.home.clone();
                    all.add(&spread.away);
                    cover(&all, self.covering(assigner, role, place, true, kept.as_ref()))
                }
                Stand::Below if upward || place.node_type == organization => {
                    let none = Bits::none(self.names.len());
                    cover(&spread.away, none).or_else(|| cover(&spread.home, self.upward(assigner)))
                }
                Stand::Below => {
                    let mut all = spread.home.clone();
                    all.add(&spread.away);
                    cover(&all, Bits::none(self.names.len()))
                }
            };
            if steps > MOST_STEPS as usize {
                return Err(TooMany);
            }
            if let Some(permission) = lacking {
                let node_type = known.indexed_types().find(|(at, _)| *at == place.node_type).map_or("", |(_, id)| id);
                found = Some((self.names[permission], node_type, place.condition.is_some()));
                break;
            }
        }
        self.step(steps)?;
        Ok(found)
    }

    /// What `assigner` has, in the organization or away, wherever `role` gives something at a place.
    fn covering(&self, assigner: &Role, role: &Role, wanted: &Place, away: bool, kept: Option<&Bits>) -> Bits {
        let mut has = Bits::none(self.names.len());
        for (place, spread) in self.on(assigner, wanted.node_type) {
            if (place.condition.is_none() || place.condition == wanted.condition) && self.spans(place, wanted, role) {
                has.add(if away { &spread.away } else { &spread.home });
            }
        }
        if let Some(kept) = kept {
            has.keep(kept);
        }
        has
    }

    /// The first permission wanted that is neither had nor surely implied by what is had, and that exists for somebody.
    fn first_lacking(&self, wanted: &Bits, has: &Bits, steps: &mut usize) -> Option<usize> {
        *steps += 4;
        let mut rest = wanted.clone();
        rest.remove(has);
        rest.remove(&self.nobody);
        rest.iter().find(|at| {
            *steps += 1;
            !has.meets(&self.sure_givers[*at])
        })
    }

    /// Whether all nodes of the type that `role` gives `wanted` on are among those that `place` is of, by a role held at or above it.
    fn spans(&self, place: &Place, wanted: &Place, role: &Role) -> bool {
        let known = self.known;
        let Some(under) = place.under else { return true };
        let id = |at: TypeIndex| known.indexed_types().find(|(index, _)| *index == at).map_or("", |(_, id)| id);
        wanted.under.or(known.type_index(&role.held_at)) == Some(under)
            || Some(under) == known.type_index(ORGANIZATION)
            || place.node_type == under
            || known.parents(id(place.node_type)).iter().all(|parent| known.type_index(parent) == Some(under))
    }

    /// The permissions that every component map leaves with which `assigner` still has the permission `by`; none: it has no maps.
    fn kept(&self, assigner: &Role, by: &str) -> Option<Bits> {
        if assigner.component_map == MapRule::Forbidden {
            return None;
        }
        let level = self.known.permissions.get(by).map_or(Level::None, |facts| facts.level);
        let mut kept = Bits::none(self.names.len());
        for facts in self.known.permissions.values() {
            if reserved::is_component(facts.component) || (facts.component == component_of(by) && facts.level <= level) {
                kept.insert(facts.index);
            }
        }
        Some(kept)
    }

    /// A custom role can be made of one permission alone, so whatever that can give must be contained. Permissions of reserved components are
    /// not for custom roles, but others may imply them.
    fn custom_roles(&self, document: &Document, role: &Role, permission: &str, at: &str, findings: &mut Findings) {
        let known = self.known;
        let Some(custom) = document.custom_roles.as_ref().filter(|_| !role.contained) else { return };
        let Some(facts) = known.permissions.get(permission) else { return };
        let selectable =
            |id: &str| !reserved::is_component(component_of(id)) && known.permissions.get(id).is_some_and(|facts| !facts.nobody);
        let giving = |id: &&str| selectable(id);
        let giver = [permission].into_iter().find(giving).or_else(|| self.givers[facts.index].iter().map(|at| self.names[at]).find(giving));
        let Some(giver) = giver else { return };
        if let Some(held_at) = custom.held_at.iter().find(|held_at| known.has(known.reach(held_at, false), &role.held_at)) {
            findings.report(
                at,
                format!(
                    "a custom role held at `{held_at}` can have `{giver}` alone and could give `{}`, which gives more; mark `{}` as contained",
                    role.id, role.id
                ),
            );
        }
    }
}

/// By permission: those that are it or imply it, in however many steps; `surely`: whatever kinds, needs, ceilings and maps say. Implying was
/// found to have no circles, so each is done once, after all that imply it.
fn givers(known: &Known<'_>, surely: bool) -> Vec<Bits> {
    let facts: Vec<_> = known.permissions.values().collect();
    let implied = |from: usize| facts[from].implies.iter().filter_map(|id| known.permissions.get(id.as_str()));
    let mut waiting = vec![0; facts.len()];
    (0..facts.len()).flat_map(implied).for_each(|to| waiting[to.index] += 1);
    let mut givers: Vec<Bits> = vec![Bits::none(facts.len()); facts.len()];
    givers.iter_mut().zip(0..).for_each(|(bits, at)| bits.insert(at));
    let mut open: Vec<usize> = waiting.iter().zip(0..).filter(|(count, _)| **count == 0).map(|(_, at)| at).collect();
    while let Some(at) = open.pop() {
        let from = facts[at];
        let passes = !(from.nobody || surely && from.gated);
        let mine = std::mem::take(&mut givers[at]);
        for to in implied(at) {
            let same_component = reserved::is_component(from.component) || from.component == to.component;
            if passes && (same_component || !surely) {
                givers[to.index].add(&mine);
            }
            waiting[to.index] -= 1;
            if waiting[to.index] == 0 {
                open.push(to.index);
            }
        }
        givers[at] = mine;
    }
    givers
}
