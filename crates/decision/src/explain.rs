//! The whole tree of why: every gate, every binding that reaches the user there and what came of it.
//!
//! Made of the same steps as [`crate::decide::decide`]; the decision in it is that one's.

use std::collections::BTreeSet;

use crate::{
    condition::Verdict,
    decide::{Asked, Cut, Gate, Judged, Question, Use, Wanted, deny},
    decision::{Decision, Invalid, Query, Reason},
    document::ConditionUse,
    model::{PermissionIndex, RoleIndex, gives},
    name::{BindingName, GroupName, NodeName, RoleName},
    path::Path,
    record::Timestamp,
    slot::{Bound, GroupId, UserSlot},
    standing::{Circle, Fault, HeldRole, Standing, Subject, Via},
    view::View,
};

pub use crate::standing::{Idle, SponsorFault};

/// Why a decision is what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What `decide` answers.
    pub decision: Decision,
    /// The role model and revision it was decided by; `None` where the organization is unknown.
    pub model: Option<(String, u32)>,
    /// The resource and what is above it.
    pub path: Vec<NodeName>,
    /// Every gate in order. Empty where the question did not get that far.
    pub gates: Vec<GateState>,
    /// The permissions by which the one asked for could be given: itself, then those that imply it.
    pub permissions: Vec<String>,
    /// Every binding that reaches the user on the path, nearest node first; then those below an organization that could give something
    /// upward.
    pub bindings: Vec<ConsideredBinding>,
}

/// A gate, open or closed.
#[derive(Clone, Debug, PartialEq)]
pub struct GateState {
    /// Which.
    pub gate: Gate,
    /// Why it is closed; `None` where it is open.
    pub closed: Option<Reason>,
}

/// A binding, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsideredBinding {
    /// The binding.
    pub binding: BindingName,
    /// Its role.
    pub role: RoleName,
    /// Its node.
    pub node: NodeName,
    /// How it reaches the user.
    pub reached: Reached,
    /// What came of it.
    pub result: BindingResult,
}

/// How a binding reaches a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It is the user's own.
    Directly,
    /// Through groups: from the one that the user is in to the one that the binding names.
    Groups(Vec<GroupName>),
    /// As a member of the organization that it names.
    Organization(NodeName),
    /// It is for anyone.
    Anyone,
}

/// What came of a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum BindingResult {
    /// It does not count.
    Idle(Idle),
    /// It counts and gives nothing here.
    Nothing(Nothing),
    /// It has grants of what is asked for.
    Grants(Vec<ConsideredGrant>),
}

/// Why a binding that counts gives nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nothing {
    /// The role does not give the permission.
    NotGranted,
    /// It gives it on other types of node.
    OtherTypes,
    /// It gives it, and ends at the border of its organization.
    StopsAtBorder,
    /// It gives it, and a component map, its own or the partnership's, leaves it out.
    LeftOutByMap,
}

/// A grant of what is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsideredGrant {
    /// The role by which: the binding's or one that it implies.
    pub role: RoleName,
    /// Where that role is, or is implied to be, held.
    pub node: NodeName,
    /// The index of the grant in the role; `None` for an upward permission.
    pub grant: Option<usize>,
    /// The permission granted: the one asked for or one that implies it.
    pub permission: String,
    /// The conditions that it is under, each with what judging it came to.
    pub conditions: Vec<(ConditionUse, Verdict)>,
    /// What it came to.
    pub verdict: Verdict,
}

/// Explains a decision.
///
/// # Errors
///
/// As [`crate::decide::decide`].
pub fn explain(view: &View, query: &Query, now: Timestamp) -> Result<Explanation, Invalid> {
    let (question, permission) = match Question::ask(view, query, now)? {
        Asked::Open(question, permission) => (question, permission),
        Asked::Closed(reason) => {
            let pinned = view.model_of(&query.resource);
            return Ok(Explanation {
                decision: deny(reason),
                model: pinned.map(|pinned| (pinned.model.id().to_owned(), pinned.revision)),
                path: view.ancestors(&query.resource),
                gates: Vec::new(),
                permissions: Vec::new(),
                bindings: Vec::new(),
            });
        }
    };
    let user = question.user(&query.user);
    let gates = Gate::ALL.into_iter().map(|gate| GateState { gate, closed: question.closed(gate, &user, permission) }).collect();
    let wanted = question.wanted(permission);
    let slot = view.user_id(&query.user).and_then(|id| view.user_slot(id));
    Ok(Explanation {
        decision: question.decide(&query.user, permission),
        model: Some((question.rules.installed.model.id().to_owned(), question.rules.installed.revision)),
        path: question.path.names(view),
        gates,
        permissions: wanted.iter().map(|index| question.permission(*index).id.clone()).collect(),
        bindings: slot.map_or_else(Vec::new, |slot| Telling::new(&question, slot, &wanted).bindings()),
    })
}

struct Telling<'q, 'v> {
    question: &'q Question<'v>,
    wanted: &'q Wanted,
    subject: Subject<'v>,
    /// All ways to the user, those too that lack an active membership.
    every: Subject<'v>,
    /// By group, the group in it by which the user comes; `None` for the user's own groups.
    inner: Vec<(GroupId, Option<GroupId>)>,
}

impl<'q, 'v> Telling<'q, 'v> {
    fn new(question: &'q Question<'v>, slot: &'v UserSlot, wanted: &'q Wanted) -> Self {
        let view = question.rules.view;
        let subject = Subject::of(view, slot);
        let mut inner: Vec<(GroupId, Option<GroupId>)> = slot.groups.iter().map(|group| (*group, None)).collect();
        let mut at = 0;
        while let Some((id, _)) = inner.get(at).copied() {
            at += 1;
            for outer in view.group_slot(id).into_iter().flat_map(|group| &group.groups) {
                if !inner.iter().any(|(known, _)| known == outer) {
                    inner.push((*outer, Some(id)));
                }
            }
        }
        let mut every =
            Subject { slot, sources: subject.sources.iter().copied().filter(|(_, via)| matches!(via, Via::User | Via::Anyone)).collect() };
        every.sources.extend(inner.iter().filter_map(|(id, _)| Some((&view.group_slot(*id)?.bindings, Via::Group(*id)))));
        every.sources.extend(slot.members.keys().filter_map(|id| Some((&view.node_slot(*id)?.granted, Via::Organization(*id)))));
        Self { question, wanted, subject, every, inner }
    }

    fn bindings(&self) -> Vec<ConsideredBinding> {
        let view = self.question.rules.view;
        let mut considered = Vec::new();
        for at in 0..self.question.path.len() {
            let mut here: Vec<_> = self.every.bindings_at(&self.question.path, at).collect();
            here.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
            considered.extend(here.into_iter().filter_map(|(bound, via)| self.consider(&self.question.path, at, bound, via, true)));
        }
        let Some(organization) = self.question.path.steps().first().and_then(|step| step.id).filter(|_| self.question.own == 0) else {
            return considered;
        };
        let mut below: Vec<ConsideredBinding> = Vec::new();
        for (bindings, via) in &self.every.sources {
            for ((_, node), list) in bindings.range((organization, u32::MIN)..=(organization, u32::MAX)) {
                let Some(slot) = view.node_slot(*node).filter(|_| *node != organization) else { continue };
                let path = Path::of(view, &slot.name);
                let reaching = list.iter().filter(|bound| self.question.may_reach_upward(bound));
                below.extend(reaching.filter_map(|bound| self.consider(&path, 0, bound, *via, false)));
            }
        }
        below.sort_by(|a, b| a.binding.cmp(&b.binding));
        considered.extend(below);
        considered
    }

    fn consider(&self, path: &Path, at: usize, bound: &'v std::sync::Arc<Bound>, via: Via, on_path: bool) -> Option<ConsideredBinding> {
        let rules = &self.question.rules;
        let counted = self.subject.sources.iter().any(|(_, other)| *other == via);
        let result = match rules.standing(&self.subject, path, at, bound) {
            Err(Fault::Confined) => BindingResult::Idle(Idle::Confined),
            _ if !counted => BindingResult::Idle(Idle::NotMember),
            Err(fault) => BindingResult::Idle(rules.idle(path, at, fault)),
            Ok(standing) => {
                let mut grants = Vec::new();
                if on_path {
                    self.question.each_use(&self.subject, at, bound, standing, self.wanted, &mut |used| {
                        grants.extend(self.grant(bound, &used));
                        false
                    });
                }
                if self.question.own == 0 && self.question.may_reach_upward(bound) {
                    self.question.upward_of(&self.subject, path, at, bound, self.wanted, &mut |_, role, node| {
                        grants.extend(self.upward(bound, role, rules.view.node_slot(node).map(|slot| slot.name.clone())));
                        false
                    });
                }
                match grants.is_empty() {
                    true => BindingResult::Nothing(if on_path { self.nothing(at, bound, standing) } else { Nothing::NotGranted }),
                    false => BindingResult::Grants(grants),
                }
            }
        };
        Some(ConsideredBinding {
            binding: bound.name.clone(),
            role: rules.view.role_slot(bound.role)?.name.clone(),
            node: rules.view.node_slot(bound.node)?.name.clone(),
            reached: self.reached(via),
            result,
        })
    }

    fn reached(&self, via: Via) -> Reached {
        let view = self.question.rules.view;
        match via {
            Via::User => Reached::Directly,
            Via::Anyone => Reached::Anyone,
            Via::Organization(id) => view.node_slot(id).map_or(Reached::Directly, |slot| Reached::Organization(slot.name.clone())),
            Via::Group(id) => {
                let (mut names, mut next) = (Vec::new(), Some(id));
                while let Some(id) = next {
                    names.extend(view.group_slot(id).map(|group| group.name.clone()));
                    next = self.inner.iter().find(|(known, _)| *known == id).and_then(|(_, inner)| *inner);
                }
                names.reverse();
                Reached::Groups(names)
            }
        }
    }

    fn role_name(&self, bound: &Bound, role: Option<RoleIndex>) -> Option<RoleName> {
        let rules = &self.question.rules;
        let implied = role.and_then(|index| rules.role(index)).and_then(|role| RoleName::system(rules.installed.model.id(), &role.id));
        implied.or_else(|| rules.view.role_slot(bound.role).map(|role| role.name.clone()))
    }

    fn judged(&self, bound: &Bound, condition: Option<&ConditionUse>) -> (Vec<(ConditionUse, Verdict)>, Verdict) {
        let each = condition.into_iter().chain(bound.condition.as_deref());
        let each = each.map(|used| (used.clone(), self.question.judge_one(&self.subject, used))).collect();
        let verdict = match self.question.judge(&self.subject, bound, condition) {
            Judged::Holds => Verdict::True,
            Judged::Fails => Verdict::False,
            Judged::Missing(missing) => Verdict::Missing(missing),
            Judged::Errors(errors) => Verdict::Error(errors.into_iter().map(|(_, message)| message).next().unwrap_or_default()),
        };
        (each, verdict)
    }

    fn grant(&self, bound: &Bound, used: &Use<'v>) -> Option<ConsideredGrant> {
        let (conditions, verdict) = self.judged(bound, used.condition);
        Some(ConsideredGrant {
            role: self.role_name(bound, used.role)?,
            node: self.question.path.name_at(self.question.rules.view, used.at),
            grant: used.grant,
            permission: self.question.permission(used.permission).id.clone(),
            conditions,
            verdict,
        })
    }

    fn upward(&self, bound: &Bound, role: RoleIndex, node: Option<NodeName>) -> Option<ConsideredGrant> {
        let rules = self.question.rules.role(role)?;
        let permission = self.wanted.iter().find(|permission| rules.upward.contains(permission))?;
        let (conditions, verdict) = self.judged(bound, None);
        Some(ConsideredGrant {
            role: self.role_name(bound, Some(role))?,
            node: node?,
            grant: None,
            permission: self.question.permission(*permission).id.clone(),
            conditions,
            verdict,
        })
    }

    /// What stands nearest to giving it: a map is nearer than a border, a border than a type.
    fn nothing(&self, at: usize, bound: &'v Bound, standing: Standing<'v>) -> Nothing {
        let question = self.question;
        let cut = Cut { bound, partnership: standing.partnership };
        let mut found = BTreeSet::from([Nothing::NotGranted]);
        let mut add = |permission: PermissionIndex, on_type: bool, crosses: bool| {
            found.insert(match (on_type, crosses) {
                (false, _) => Nothing::OtherTypes,
                (true, true) => Nothing::StopsAtBorder,
                (true, false) if !question.leaves(&cut, permission) => Nothing::LeftOutByMap,
                (true, false) => Nothing::NotGranted,
            });
        };
        match standing.role {
            HeldRole::System(index, _) => {
                question.rules.each_held(&self.subject, &question.path, at, index, &mut Circle::new(), &mut |_, role, held| {
                    for permission in self.wanted {
                        for hit in role.hits(*permission) {
                            let through = role.grants.get(usize::from(hit.grant)).is_some_and(|grant| grant.through_customers);
                            let crosses = !through && !question.path.same_organization(0, held);
                            add(*permission, hit.types.contains(question.node_type), crosses);
                        }
                    }
                    false
                });
            }
            HeldRole::Custom(custom) => {
                let model = &question.rules.installed.model;
                let type_id = model.node_type(question.node_type).map(|node_type| &node_type.id);
                for index in self.wanted {
                    let permission = question.permission(*index);
                    let Some(component) = model.components().get(usize::from(permission.component)) else { continue };
                    for grant in custom.grants.iter().filter(|grant| gives(grant, permission, component)) {
                        let on_type = grant.types.is_empty() || type_id.is_some_and(|id| grant.types.contains(id));
                        add(*index, on_type, !question.path.same_organization(0, at));
                    }
                }
            }
        }
        found.pop_last().unwrap_or(Nothing::NotGranted)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        decide::decide,
        decision::Outcome,
        sample::{NOW, node, user, view},
    };

    const WORLD: &str = "
users: [olga, adam, dora, gail, pia]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: w }]
    accounts: [{ id: a, workspace: w }]
    members: [olga, adam, dora, gail]
    groups: [{ id: inner, members: [gail] }, { id: outer, members: [groups/inner] }]
    partnerships: [{ id: p1, partner: partner, roles: [manager] }]
    resources: [{ name: workspaces/w/campaigns/live, attributes: { live: true } }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: adam, role: admin }
      - { principal: dora, role: designer, node: workspaces/w }
      - { principal: dora, role: manager, node: accounts/a, components: { campaigns: view } }
      - { principal: dora, role: manager, node: accounts/a, id: old, expires_in_seconds: 0 }
      - { principal: groups/outer, role: manager, node: accounts/a }
      - { principal: organizations/partner, role: manager, node: accounts/a, sponsor: partnerships/p1 }
      - { principal: gail, role: launcher, node: workspaces/w/campaigns/live }
  - id: partner
    model: sample
    members: [pia, olga]
    bindings: [{ principal: pia, role: owner }]
  - id: customer
    parent: acme/workspaces/w
";

    fn explained(who: &str, permission: &str, resource: &str) -> Explanation {
        let view = view(WORLD);
        let query = Query { user: user(who), permission: permission.to_owned(), resource: node(resource), attributes: BTreeMap::new() };
        let explanation = explain(&view, &query, NOW).unwrap();
        assert_eq!(explanation.decision, decide(&view, &query, NOW).unwrap());
        explanation
    }

    fn result(explanation: &Explanation, binding: &str) -> BindingResult {
        let found = explanation.bindings.iter().find(|considered| considered.binding.id() == binding);
        found.unwrap_or_else(|| panic!("{binding} in {explanation:?}")).result.clone()
    }

    #[test]
    fn a_binding_that_gives_nothing_says_which_rule_made_it() {
        let update = explained("dora", "campaigns.update", "acme/accounts/a");
        assert_eq!(result(&update, "old"), BindingResult::Idle(Idle::Expired));
        assert_eq!(result(&update, "dora-manager-a"), BindingResult::Nothing(Nothing::LeftOutByMap));
        assert_eq!(result(&update, "dora-designer-w"), BindingResult::Nothing(Nothing::OtherTypes));
        let sponsored = explained("pia", "campaigns.view", "acme/accounts/a");
        assert_eq!(result(&sponsored, "partner-manager-a"), BindingResult::Idle(Idle::Sponsor(SponsorFault::NotAccepted)));
        let border = explained("adam", "campaigns.view", "customer/accounts/x");
        assert_eq!(result(&border, "adam-admin"), BindingResult::Nothing(Nothing::StopsAtBorder));
        let required = explained("gail", "campaigns.launch", "acme/workspaces/w/campaigns/live");
        let missing = Idle::RequiredRoleMissing(vec!["designer".to_owned(), "workspace-admin".to_owned()]);
        assert_eq!(result(&required, "gail-launcher-live"), BindingResult::Idle(missing));
    }

    #[test]
    fn a_grant_tells_its_role_groups_implied_permission_and_conditions() {
        let viewed = explained("gail", "campaigns.view", "acme/accounts/a");
        let BindingResult::Grants(grants) = result(&viewed, "outer-manager-a") else { panic!("{viewed:?}") };
        assert!(grants.iter().any(|grant| grant.permission == "campaigns.update"));
        let Reached::Groups(groups) = &viewed.bindings[0].reached else { panic!("{viewed:?}") };
        assert_eq!(groups.iter().map(GroupName::id).collect::<Vec<_>>(), ["inner", "outer"]);
        let implied = explained("adam", "campaigns.view", "acme/workspaces/w");
        let BindingResult::Grants(grants) = result(&implied, "adam-admin") else { panic!("{implied:?}") };
        assert!(grants.iter().any(|grant| grant.role.id() == "workspace-admin" && grant.node == node("acme/workspaces/w")));
        let live = explained("dora", "campaigns.update", "acme/workspaces/w/campaigns/live");
        let BindingResult::Grants(grants) = result(&live, "dora-designer-w") else { panic!("{live:?}") };
        assert_eq!(grants[0].verdict, Verdict::False);
        assert_eq!(live.decision.outcome, Outcome::Deny(Reason::NoGrant));
    }

    #[test]
    fn every_gate_is_told_also_behind_a_closed_one() {
        let explanation = explained("nobody", "campaigns.fly", "acme/workspaces/none/campaigns/1");
        let closed: Vec<Gate> = explanation.gates.iter().filter(|state| state.closed.is_some()).map(|state| state.gate).collect();
        assert_eq!(closed, [Gate::Available, Gate::User, Gate::Nodes]);
        assert_eq!(explanation.decision.outcome, Outcome::Deny(Reason::NotAvailable));
        assert!(explained("olga", "campaigns.view", "nowhere").gates.is_empty());
    }

    #[test]
    fn upward_permissions_are_told_with_the_node_that_they_come_from() {
        let explanation = explained("adam", "organization.get", "acme");
        let BindingResult::Grants(grants) = result(&explanation, "adam-admin") else { panic!("{explanation:?}") };
        assert!(grants.iter().any(|grant| grant.grant.is_none() && grant.node == node("acme/workspaces/w")));
    }
}
