//! What a document declares, together with what every model has, looked up by id.

use std::collections::BTreeMap;

use super::bits::Bits;
use crate::{
    document::{Attribute, Component, Condition, Document, Grant, Level, Role, TypeRule},
    model::{TypeIndex, TypeSet},
    reserved::{self, CONTAINERS},
};

pub(super) const ORGANIZATION: &str = "organization";
pub(super) const WORKSPACE: &str = "workspace";
pub(super) const ACCOUNT: &str = "account";

/// A permission as the model has it: reserved, declared, or reserved and declared again.
pub(super) struct PermissionFacts<'d> {
    /// Its place among all permissions, by name.
    pub(super) index: usize,
    pub(super) component: &'d str,
    pub(super) level: Level,
    pub(super) types: TypeSet,
    pub(super) nobody: bool,
    /// It has kinds or needs, which may close it where what it implies is open.
    pub(super) gated: bool,
    pub(super) implies: &'d [String],
}

pub(super) struct Known<'d> {
    pub(super) types: BTreeMap<&'d str, Option<&'d TypeRule>>,
    pub(super) components: BTreeMap<&'d str, &'d Component>,
    pub(super) permissions: BTreeMap<&'d str, PermissionFacts<'d>>,
    pub(super) conditions: BTreeMap<&'d str, &'d Condition>,
    pub(super) roles: BTreeMap<&'d str, &'d Role>,
    /// The index of each type.
    type_index: BTreeMap<&'d str, TypeIndex>,
    /// By type: those of which a node can stand strictly below, inside its organization and with customers also beyond.
    below: Vec<[TypeSet; 2]>,
    /// Every declaration of an attribute, with the type that has it.
    attributes: BTreeMap<&'d str, Vec<(&'d str, &'d Attribute)>>,
    /// What a component gives at `view` and at `edit`.
    by_component: BTreeMap<&'d str, [Bits; 2]>,
    /// What "everything" gives at `view` and at `edit`.
    everything: [Bits; 2],
}

impl<'d> Known<'d> {
    /// The document's lists are as short as they must be; see [`super::bounds`].
    pub(super) fn of(document: &'d Document) -> Self {
        let mut types: BTreeMap<&'d str, Option<&'d TypeRule>> = CONTAINERS.into_iter().map(|id| (id, None)).collect();
        types.extend(document.types.iter().map(|rule| (rule.id.as_str(), Some(rule))));
        let type_index: BTreeMap<&'d str, TypeIndex> = types.keys().zip(0..).map(|(id, at)| (*id, at)).collect();
        let permissions = permissions(document, &types, &type_index);
        let mut attributes: BTreeMap<&'d str, Vec<(&'d str, &'d Attribute)>> = BTreeMap::new();
        for (id, rule) in types.iter().filter_map(|(id, rule)| Some((*id, (*rule)?))) {
            for attribute in &rule.attributes {
                attributes.entry(&attribute.id).or_default().push((id, attribute));
            }
        }
        let none = Bits::none(permissions.len());
        let mut by_component: BTreeMap<&'d str, [Bits; 2]> = BTreeMap::new();
        let mut everything = [none.clone(), none.clone()];
        for facts in permissions.values() {
            let component = by_component.entry(facts.component).or_insert_with(|| [none.clone(), none.clone()]);
            for at in
                [Level::View, Level::Edit].into_iter().zip(0..).filter(|(level, _)| *level >= facts.level).map(|(_, at): (_, usize)| at)
            {
                component[at].insert(facts.index);
                if !reserved::is_component(facts.component) {
                    everything[at].insert(facts.index);
                }
            }
        }
        Self {
            below: below(&types, &type_index),
            types,
            components: document.components.iter().map(|component| (component.id.as_str(), component)).collect(),
            permissions,
            conditions: document.conditions.iter().map(|condition| (condition.id.as_str(), condition)).collect(),
            roles: document.roles.iter().map(|role| (role.id.as_str(), role)).collect(),
            type_index,
            attributes,
            by_component,
            everything,
        }
    }

    pub(super) fn type_names(&self) -> impl Iterator<Item = &'d str> {
        self.types.keys().copied()
    }

    pub(super) fn permission_names(&self) -> impl Iterator<Item = &'d str> {
        self.permissions.keys().copied()
    }

    pub(super) fn role_names(&self) -> impl Iterator<Item = &'d str> {
        self.roles.keys().copied()
    }

    pub(super) fn has_component(&self, component: &str) -> bool {
        self.components.contains_key(component) || reserved::is_component(component)
    }

    pub(super) fn component_names(&self) -> impl Iterator<Item = &'d str> {
        self.components.keys().copied().chain(reserved::components().iter().map(|component| component.id))
    }

    /// The levels of a component above none; a reserved one has both.
    pub(super) fn levels(&self, component: &str) -> &'d [Level] {
        match self.components.get(component) {
            Some(declared) if !declared.levels.is_empty() => &declared.levels,
            _ => &[Level::View, Level::Edit],
        }
    }

    /// Every declaration of an attribute, with the type that has it.
    pub(super) fn attributes(&self, attribute: &str) -> &[(&'d str, &'d Attribute)] {
        self.attributes.get(attribute).map_or(&[], Vec::as_slice)
    }

    pub(super) fn attribute_names(&self) -> impl Iterator<Item = &'d str> {
        self.attributes.keys().copied()
    }

    /// The container types that a type stands directly under inside an organization.
    pub(super) fn parents(&self, node_type: &str) -> Vec<&'d str> {
        parents(&self.types, node_type)
    }

    /// The types by index, which is the order of their names.
    pub(super) fn indexed_types(&self) -> impl Iterator<Item = (TypeIndex, &'d str)> {
        self.type_index.iter().map(|(id, at)| (*at, *id))
    }

    pub(super) fn type_index(&self, id: &str) -> Option<TypeIndex> {
        self.type_index.get(id).copied()
    }

    /// Whether a set has a type.
    pub(super) fn has(&self, set: TypeSet, id: &str) -> bool {
        self.type_index(id).is_some_and(|at| set.contains(at))
    }

    pub(super) fn applies(&self, facts: &PermissionFacts<'_>, id: &str) -> bool {
        self.has(facts.types, id)
    }

    /// The types of which a node can stand strictly below one of `node_type`: inside its organization, or with customers also beyond.
    /// Customers stand below workspaces, so with them an organization can stand below an organization.
    pub(super) fn below(&self, node_type: &str, with_customers: bool) -> TypeSet {
        self.type_index(node_type).map_or_else(TypeSet::default, |at| self.below[usize::from(at)][usize::from(with_customers)])
    }

    /// [`Self::below`], and the type itself.
    pub(super) fn reach(&self, node_type: &str, with_customers: bool) -> TypeSet {
        let mut reach = self.below(node_type, with_customers);
        if let Some(at) = self.type_index(node_type) {
            reach.insert(at);
        }
        reach
    }

    /// The permissions that a grant gives by itself, whatever the type.
    pub(super) fn given(&self, grant: &Grant) -> Bits {
        let mut given = Bits::none(self.permissions.len());
        let at = |level: Level| match level {
            Level::None => None,
            Level::View => Some(0),
            Level::Edit => Some(1),
        };
        if let Some(everything) = &grant.everything
            && let Some(at) = at(everything.level)
        {
            given.add(&self.everything[at]);
            for except in everything.except.iter().filter_map(|id| self.by_component.get(id.as_str())) {
                given.remove(&except[1]);
            }
        }
        for (id, level) in &grant.components {
            if let (Some(component), Some(at)) = (self.by_component.get(id.as_str()), at(*level)) {
                given.add(&component[at]);
            }
        }
        for facts in grant.permissions.iter().filter_map(|id| self.permissions.get(id.as_str())) {
            given.insert(facts.index);
        }
        given
    }

    /// The types that a grant of a role held at `held_at` is for.
    pub(super) fn grant_types(&self, held_at: &str, grant: &Grant) -> TypeSet {
        let reach = self.reach(held_at, grant.through_customers);
        if grant.types.is_empty() {
            return reach;
        }
        let mut listed = TypeSet::default();
        grant.types.iter().filter_map(|id| self.type_index(id)).for_each(|at| listed.insert(at));
        listed.intersect(reach)
    }
}

fn permissions<'d>(
    document: &'d Document,
    types: &BTreeMap<&'d str, Option<&'d TypeRule>>,
    type_index: &BTreeMap<&'d str, TypeIndex>,
) -> BTreeMap<&'d str, PermissionFacts<'d>> {
    let set = |ids: &mut dyn Iterator<Item = &str>| {
        let mut set = TypeSet::default();
        ids.filter_map(|id| type_index.get(id)).for_each(|at| set.insert(*at));
        set
    };
    let mut permissions: BTreeMap<&'d str, PermissionFacts<'d>> = BTreeMap::new();
    for permission in reserved::permissions() {
        let facts = PermissionFacts {
            index: 0,
            component: permission.component,
            level: permission.level,
            types: set(&mut types.keys().copied().filter(|id| permission.types.include(id))),
            nobody: false,
            gated: false,
            implies: &[],
        };
        permissions.insert(permission.id, facts);
    }
    for permission in &document.permissions {
        let reserved = reserved::permission(&permission.id);
        let types = match permissions.get(permission.id.as_str()) {
            Some(facts) if reserved.is_some() && permission.types.is_empty() => facts.types,
            _ => set(&mut permission.types.iter().map(String::as_str)),
        };
        let facts = PermissionFacts {
            index: 0,
            component: component_of(&permission.id),
            level: reserved.map_or(permission.level, |reserved| reserved.level),
            types,
            nobody: permission.nobody,
            gated: !permission.kinds.is_empty() || permission.needs.active_account || !permission.needs.organization_has.is_empty(),
            implies: &permission.implies,
        };
        permissions.insert(&permission.id, facts);
    }
    permissions.values_mut().zip(0..).for_each(|(facts, at)| facts.index = at);
    permissions
}

fn parents<'d>(types: &BTreeMap<&'d str, Option<&'d TypeRule>>, node_type: &str) -> Vec<&'d str> {
    match node_type {
        ORGANIZATION => Vec::new(),
        WORKSPACE => vec![ORGANIZATION],
        ACCOUNT => vec![ORGANIZATION, WORKSPACE],
        leaf => types.get(leaf).copied().flatten().map_or_else(Vec::new, |rule| rule.parents.iter().map(String::as_str).collect()),
    }
}

fn below(types: &BTreeMap<&str, Option<&TypeRule>>, index: &BTreeMap<&str, TypeIndex>) -> Vec<[TypeSet; 2]> {
    let mut children: Vec<Vec<TypeIndex>> = vec![Vec::new(); types.len()];
    for (at, id) in index.values().zip(types.keys()) {
        for parent in parents(types, id).into_iter().filter_map(|parent| index.get(parent)) {
            children[usize::from(*parent)].push(*at);
        }
    }
    let (workspace, organization) = (index.get(WORKSPACE).copied(), index.get(ORGANIZATION).copied());
    let from = |start: TypeIndex, with_customers: bool| {
        let mut found = TypeSet::default();
        let mut open = vec![start];
        while let Some(above) = open.pop() {
            let customers = organization.filter(|_| with_customers && Some(above) == workspace);
            for at in children[usize::from(above)].iter().copied().chain(customers) {
                if !found.contains(at) {
                    found.insert(at);
                    open.push(at);
                }
            }
        }
        found
    };
    index.values().map(|start| [from(*start, false), from(*start, true)]).collect()
}

/// What stands before the dot.
pub(super) fn component_of(permission: &str) -> &str {
    permission.split('.').next().unwrap_or_default()
}
