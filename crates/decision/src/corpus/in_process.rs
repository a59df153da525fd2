//! The engine in this process, as something that a corpus can be put to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assign, AssignPath, Change, Check, Lines, List, RoleList, ShownMatrix, Subject, Verdict, Write, subject::WriteOutcome};
use crate::{
    decide::decide,
    decision::{Decision, Invalid, Outcome, Query},
    document::Document,
    matrix::{AccessMatrix, MatrixRole, displayed},
    name::NodeName,
    permit::{self, Actor, Refusal, Requirement, permit},
    reach::{Container, Scope, resources},
    record::{ModelRevision, Record, Timestamp},
    view::View,
    world::{World, WorldBinding, binding_record, node_name, user_name, value},
};

/// 2020-09-13T12:26:40Z: when every world is made.
const MADE: Timestamp = Timestamp(1_600_000_000_000_000);

/// A world with the engine on it. It has no write path: writes are left.
#[derive(Default)]
pub struct InProcess {
    document: Document,
    world: World,
    records: Vec<Record>,
    view: View,
    now: Timestamp,
}

impl InProcess {
    /// The records that the view was built from.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The time of the next decision.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The question of a check, with its names read.
    ///
    /// # Errors
    ///
    /// What is not a name or no attribute's value.
    pub fn query(check: &Check) -> Result<Query, String> {
        let mut attributes = BTreeMap::new();
        for (id, json) in &check.attributes {
            attributes.insert(id.clone(), value(json).ok_or_else(|| format!("attribute `{id}` has no value"))?);
        }
        Ok(Query {
            user: user_name(&check.user).map_err(|error| error.to_string())?,
            permission: check.permission.clone(),
            resource: node_name(&check.resource, None).map_err(|error| error.to_string())?,
            attributes,
        })
    }

    /// Whether a permit is given. A proposal that makes no sense is a mistake in the corpus, not a verdict; but a stranger is not told.
    fn permitted(&self, actor: &str, requirement: &Requirement) -> Result<bool, String> {
        let actor = user_name(actor).map_err(|error| error.to_string())?;
        match permit(&self.view, &Actor::User(actor), requirement, self.now) {
            Ok(_) => Ok(true),
            Err(Refusal::NotAllowed { .. } | Refusal::NotContained { .. }) => Ok(false),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    fn sees_roles(&self, actor: &str, organization: &NodeName) -> Result<bool, String> {
        if actor == "platform" {
            return Ok(true);
        }
        self.permitted(actor, &Requirement::Permission { permission: "roles.get".to_owned(), node: organization.clone() })
    }

    /// Builds the view anew: what a subject of records does on a change is tested elsewhere.
    fn rebuild(&mut self) -> Result<(), String> {
        let mut records = self.world.records(MADE).map_err(|error| error.to_string())?;
        let revisions: BTreeSet<u32> =
            self.world.organizations.iter().filter(|o| !o.model.is_empty()).map(|o| o.model_revision.unwrap_or(1)).collect();
        for revision in revisions {
            let model = self.document.model.clone();
            records.insert(0, Record::ModelRevision(ModelRevision { model, revision, document: self.document.clone() }));
        }
        self.view = View::default();
        for record in &records {
            self.view.apply(&record.key(), Some(record.clone()));
        }
        self.records = records;
        Ok(())
    }
}

/// A decision in the words of the contract.
pub fn verdict(decided: Result<Decision, Invalid>) -> Verdict {
    match decided.map(|decision| decision.outcome) {
        Ok(Outcome::Allow(_)) => Verdict::Allow,
        Ok(Outcome::Deny(reason)) => Verdict::Deny(reason.code().to_owned()),
        Ok(Outcome::Conditional(sets)) => Verdict::Conditional(sets),
        Err(_) => Verdict::Invalid,
    }
}

impl Subject for InProcess {
    fn load(&mut self, document: &Document, world: &World) -> Result<(), String> {
        self.document = document.clone();
        self.world = world.clone();
        self.now = MADE;
        self.rebuild()
    }

    fn apply(&mut self, change: &Change) -> Result<(), String> {
        self.world.apply(change).map_err(|error| error.to_string())?;
        self.rebuild()
    }

    fn wait(&mut self, seconds: u32) -> Result<(), String> {
        self.now.0 += i64::from(seconds) * 1_000_000;
        Ok(())
    }

    fn check(&mut self, check: &Check) -> Result<Verdict, String> {
        Ok(verdict(decide(&self.view, &Self::query(check)?, self.now)))
    }

    fn list(&mut self, list: &List) -> Result<BTreeSet<String>, String> {
        let user = user_name(&list.user).map_err(|error| error.to_string())?;
        let container = Container::parse(&list.node_type).ok_or_else(|| format!("nodes of type `{}` are not listed", list.node_type))?;
        let scope = Scope { container, under: None, after: None, limit: usize::MAX };
        let reached = resources(&self.view, &user, &list.permission, &scope, self.now);
        Ok(reached.names.iter().map(ToString::to_string).collect())
    }

    fn may_assign(&mut self, assign: &Assign) -> Result<bool, String> {
        let binding = WorldBinding {
            id: Some("proposed".to_owned()),
            principal: assign.principal.clone(),
            role: assign.role.clone(),
            node: String::new(),
            components: assign.components.clone(),
            condition: assign.condition.clone(),
            expires_in_seconds: assign.expires_in_seconds,
            sponsor: assign.sponsor.clone(),
        };
        let node = node_name(&assign.node, None).map_err(|error| error.to_string())?;
        let home = node.organization();
        let model = self.world.model_of(home.id()).ok_or_else(|| format!("no tree has `{home}`"))?;
        let mut binding = binding_record(&binding, model, &home, self.now).map_err(|error| error.to_string())?;
        binding.node = node;
        let requirement = match assign.path {
            AssignPath::Assign => Requirement::Assign { binding, path: permit::AssignPath::Assign },
            AssignPath::Invite => Requirement::Assign { binding, path: permit::AssignPath::Invite },
            AssignPath::Revoke => {
                let mut at_node = self.view.bindings_at(&binding.node);
                let held = at_node.find(|held| held.role == binding.role && held.principal == binding.principal);
                Requirement::Revoke { binding: held.ok_or("the binding is not there to be taken away")?.name }
            }
        };
        self.permitted(&assign.actor, &requirement)
    }

    fn roles(&mut self, list: &RoleList) -> Result<Option<BTreeSet<String>>, String> {
        let organization = node_name(&list.organization, None).map_err(|error| error.to_string())?;
        if !self.sees_roles(&list.actor, &organization)? {
            return Ok(None);
        }
        let fits = |held_at: &str| list.held_at.as_ref().is_none_or(|wanted| wanted == held_at);
        let system = self.document.roles.iter().filter(|role| fits(&role.held_at)).map(|role| role.id.clone());
        let custom = self.view.custom_roles(&organization).filter(|role| fits(&role.held_at));
        Ok(Some(system.chain(custom.map(|role| format!("roles/{}", role.name.id()))).collect()))
    }

    fn matrix(&mut self, matrix: &ShownMatrix) -> Result<Lines, String> {
        let organization = node_name(&matrix.organization, None).map_err(|error| error.to_string())?;
        if !self.sees_roles(&matrix.actor, &organization)? {
            return Err("may not see it".to_owned());
        }
        let node = self.view.node(&organization).ok_or("the world has no such organization")?;
        let pinned = self.view.model_of(&organization).ok_or("no role model rules there")?;
        let mut customs: Vec<_> = self.view.custom_roles(&organization).collect();
        customs.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let roles: Vec<_> = displayed(&self.document).into_iter().chain(customs.into_iter().map(MatrixRole::Custom)).collect();
        Ok(AccessMatrix::of(pinned.model, Some(node.kind), &roles).lines())
    }

    fn write(&mut self, _write: &Write) -> Result<Option<WriteOutcome>, String> {
        Ok(None)
    }
}
