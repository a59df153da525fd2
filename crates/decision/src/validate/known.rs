//! What a document declares, together with what every model has, looked up by id.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    document::{Attribute, Component, Condition, Document, Grant, Level, Role, TypeRule},
    reserved::{self, CONTAINERS},
};

pub(super) const ORGANIZATION: &str = "organization";
pub(super) const WORKSPACE: &str = "workspace";
pub(super) const ACCOUNT: &str = "account";
/// A permission as the model has it: reserved, declared, or reserved and declared again.
pub(super) struct PermissionFacts<'d> {
    pub(super) component: &'d str,
    pub(super) level: Level,
    pub(super) types: Vec<&'d str>,
    pub(super) nobody: bool,
    /// It has kinds or needs, which may close it where what it implies is open.
    pub(super) gated: bool,
    pub(super) implies: &'d [String],
}

impl PermissionFacts<'_> {
    pub(super) fn applies_to(&self, node_type: &str) -> bool {
        self.types.contains(&node_type)
    }
}

pub(super) struct Known<'d> {
    pub(super) types: BTreeMap<&'d str, Option<&'d TypeRule>>,
    pub(super) components: BTreeMap<&'d str, &'d Component>,
    pub(super) permissions: BTreeMap<&'d str, PermissionFacts<'d>>,
    pub(super) conditions: BTreeMap<&'d str, &'d Condition>,
    pub(super) roles: BTreeMap<&'d str, &'d Role>,
}

impl<'d> Known<'d> {
    pub(super) fn of(document: &'d Document) -> Self {
        let mut types: BTreeMap<&'d str, Option<&'d TypeRule>> = CONTAINERS.into_iter().map(|id| (id, None)).collect();
        types.extend(document.types.iter().map(|rule| (rule.id.as_str(), Some(rule))));
        let mut permissions: BTreeMap<&'d str, PermissionFacts<'d>> = BTreeMap::new();
        for permission in reserved::permissions() {
            let facts = PermissionFacts {
                component: permission.component,
                level: permission.level,
                types: types.keys().copied().filter(|id| permission.types.include(id)).collect(),
                nobody: false,
                gated: false,
                implies: &[],
            };
            permissions.insert(permission.id, facts);
        }
        for permission in &document.permissions {
            let reserved = reserved::permission(&permission.id);
            let types = match permissions.get(permission.id.as_str()) {
                Some(facts) if reserved.is_some() && permission.types.is_empty() => facts.types.clone(),
                _ => permission.types.iter().map(String::as_str).collect(),
            };
            let facts = PermissionFacts {
                component: component_of(&permission.id),
                level: reserved.map_or(permission.level, |reserved| reserved.level),
                types,
                nobody: permission.nobody,
                gated: !permission.kinds.is_empty() || permission.needs.active_account || !permission.needs.organization_has.is_empty(),
                implies: &permission.implies,
            };
            permissions.insert(&permission.id, facts);
        }
        Self {
            types,
            components: document.components.iter().map(|component| (component.id.as_str(), component)).collect(),
            permissions,
            conditions: document.conditions.iter().map(|condition| (condition.id.as_str(), condition)).collect(),
            roles: document.roles.iter().map(|role| (role.id.as_str(), role)).collect(),
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
    pub(super) fn attributes(&self, attribute: &str) -> Vec<(&'d str, &'d Attribute)> {
        let declared = self.types.iter().filter_map(|(id, rule)| Some((*id, (*rule)?)));
        declared.flat_map(|(id, rule)| rule.attributes.iter().filter(|a| a.id == attribute).map(move |a| (id, a))).collect()
    }

    /// The container types that a type stands directly under inside an organization.
    pub(super) fn parents(&self, node_type: &str) -> Vec<&'d str> {
        match node_type {
            ORGANIZATION => Vec::new(),
            WORKSPACE => vec![ORGANIZATION],
            ACCOUNT => vec![ORGANIZATION, WORKSPACE],
            leaf => self.types.get(leaf).copied().flatten().map_or_else(Vec::new, |rule| rule.parents.iter().map(String::as_str).collect()),
        }
    }

    /// The types of which a node can stand strictly below one of `node_type`: inside its organization, or with customers also beyond.
    /// Customers stand below workspaces, so with them an organization can stand below an organization.
    pub(super) fn below(&self, node_type: &str, with_customers: bool) -> BTreeSet<&'d str> {
        let mut found: BTreeSet<&'d str> = BTreeSet::new();
        let mut open = vec![node_type];
        while let Some(above) = open.pop() {
            let inside = self.type_names().filter(|id| self.parents(id).contains(&above));
            let customers = (with_customers && above == WORKSPACE).then_some(ORGANIZATION);
            for id in inside.chain(customers) {
                if found.insert(id) {
                    open.push(id);
                }
            }
        }
        found
    }

    /// [`Self::below`], and the type itself.
    pub(super) fn reach(&self, node_type: &str, with_customers: bool) -> BTreeSet<&'d str> {
        let mut reach = self.below(node_type, with_customers);
        reach.extend(self.types.get_key_value(node_type).map(|(id, _)| *id));
        reach
    }

    /// The permissions that a grant gives by itself, whatever the type.
    pub(super) fn given(&self, grant: &Grant) -> Vec<&'d str> {
        let gives = |id: &str, facts: &PermissionFacts<'_>| {
            let by_name = grant.permissions.iter().any(|named| named == id);
            let by_component = grant.components.get(facts.component).is_some_and(|level| *level > Level::None && *level >= facts.level);
            let by_everything = grant.everything.as_ref().is_some_and(|everything| {
                !reserved::is_component(facts.component)
                    && everything.level >= facts.level
                    && !everything.except.iter().any(|component| component == facts.component)
            });
            by_name || by_component || by_everything
        };
        self.permissions.iter().filter(|(id, facts)| gives(id, facts)).map(|(id, _)| *id).collect()
    }

    /// The types on which a grant of a role held at `held_at` gives a permission.
    pub(super) fn given_on(&self, held_at: &str, grant: &Grant, permission: &str) -> Vec<&'d str> {
        let reach = self.reach(held_at, grant.through_customers);
        let listed = |id: &str| grant.types.is_empty() || grant.types.iter().any(|listed| listed == id);
        let types = self.permissions.get(permission).map_or(&[][..], |facts| &facts.types);
        types.iter().copied().filter(|id| reach.contains(id) && listed(id)).collect()
    }
}

/// What stands before the dot.
pub(super) fn component_of(permission: &str) -> &str {
    permission.split('.').next().unwrap_or_default()
}
