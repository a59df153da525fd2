//! Role bindings: who has which role where. Their rules that need no database.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use decision::{
    document::Level,
    name::{BindingName, NodeName, Principal, RoleName, Sponsor, UserName},
};
use serde_json::{Value, json};
use service::fields::Etag;

use crate::status::Error;

/// Components, each up to a level.
pub(crate) type ComponentMap = BTreeMap<String, Level>;

/// The use of a named condition of the role model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) id: String,
    pub(crate) params: BTreeMap<String, Value>,
}

/// What a binding gives to whom where: what is decided from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) principal: Principal,
    pub(crate) role: RoleName,
    pub(crate) node: NodeName,
    pub(crate) components: Option<ComponentMap>,
    pub(crate) condition: Option<Condition>,
    pub(crate) expire_time: Option<DateTime<Utc>>,
    pub(crate) sponsor: Option<Sponsor>,
}

/// A role binding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoleBinding {
    pub(crate) name: BindingName,
    pub(crate) assigned: Assignment,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// What shall be otherwise; none = as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RoleBindingChange {
    pub(crate) role: Option<RoleName>,
    pub(crate) components: Option<Option<ComponentMap>>,
    pub(crate) condition: Option<Option<Condition>>,
    pub(crate) expire_time: Option<Option<DateTime<Utc>>>,
}

impl Assignment {
    /// The plain assignment of a role: no map, no condition, no end, no sponsor.
    pub(crate) fn plain(principal: Principal, role: RoleName, node: NodeName) -> Self {
        Self { principal, role, node, components: None, condition: None, expire_time: None, sponsor: None }
    }

    /// At exactly its expiry it has ended (DESIGN §3).
    pub(crate) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.expire_time.is_some_and(|end| end <= now)
    }

    /// The user who holds it directly.
    pub(crate) fn user(&self) -> Option<&UserName> {
        match &self.principal {
            Principal::User(user) => Some(user),
            Principal::Group(_) | Principal::Organization(_) | Principal::Anyone => None,
        }
    }

    /// The same with the change made.
    pub(crate) fn changed(&self, change: &RoleBindingChange) -> Self {
        let change = change.clone();
        Self {
            role: change.role.unwrap_or_else(|| self.role.clone()),
            components: change.components.unwrap_or_else(|| self.components.clone()),
            condition: change.condition.unwrap_or_else(|| self.condition.clone()),
            expire_time: change.expire_time.unwrap_or(self.expire_time),
            ..self.clone()
        }
    }
}

impl RoleBinding {
    /// A new one.
    pub(crate) fn new(name: BindingName, assigned: Assignment, now: DateTime<Utc>) -> Self {
        Self { name, assigned, create_time: now, update_time: now, version: 1 }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        let Assignment { principal, role, node, components, condition, expire_time, sponsor } = &self.assigned;
        let levels = |map: &ComponentMap| map.iter().map(|(id, level)| (id.clone(), Value::from(level.as_str()))).collect::<Value>();
        json!({
            "principal": principal.to_string(),
            "role": role.as_str(),
            "node": node.as_str(),
            "components": components.as_ref().map(levels),
            "condition": condition.as_ref().map(|Condition { id, params }| json!({ "id": id, "params": params })),
            "expire_time": expire_time,
            "sponsor": sponsor.as_ref().map(ToString::to_string),
        })
    }

    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }

    /// The same with another assignment.
    pub(crate) fn reassigned(&self, assigned: Assignment, now: DateTime<Utc>) -> Self {
        Self { assigned, update_time: now, version: self.version + 1, ..self.clone() }
    }
}

/// The level of this word.
pub(crate) fn level_of(text: &str) -> Option<Level> {
    [Level::None, Level::View, Level::Edit].into_iter().find(|level| level.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment() -> Assignment {
        Assignment {
            components: Some([("campaigns".to_owned(), Level::View)].into()),
            ..Assignment::plain(
                Principal::parse("users/ann").unwrap(),
                RoleName::parse("roleModels/m/roles/buyer").unwrap(),
                NodeName::parse("organizations/acme").unwrap(),
            )
        }
    }

    #[test]
    fn at_exactly_its_expiry_a_binding_has_ended() {
        let now = Utc::now();
        let until = |end| Assignment { expire_time: Some(end), ..assignment() }.has_ended(now);
        assert!(until(now));
        assert!(!until(now + chrono::Duration::microseconds(1)));
        assert!(!assignment().has_ended(now));
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = assignment();
        assert_eq!(before.changed(&RoleBindingChange::default()), before);
        let change = RoleBindingChange { components: Some(None), ..RoleBindingChange::default() };
        assert_eq!(before.changed(&change), Assignment { components: None, ..before });
    }

    #[test]
    fn a_level_reads_back() {
        for level in [Level::None, Level::View, Level::Edit] {
            assert_eq!(level_of(level.as_str()), Some(level));
        }
        assert_eq!(level_of("Edit"), None);
    }
}
