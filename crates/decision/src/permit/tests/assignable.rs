//! Which roles may be given.

use std::collections::BTreeMap;

use super::{super::*, WORLD, map, role};
use crate::sample::{NOW, node, user, view};

fn listed(who: &str, at: &str) -> Result<Vec<Assignable>, Refusal> {
    let offer = Offer { node: node(at), principal: None, sponsor: None, path: AssignPath::Assign };
    assignable(&view(WORLD), &Actor::User(user(who)), &offer, NOW)
}

fn given(who: &str, at: &str) -> Vec<(String, bool)> {
    listed(who, at).unwrap().into_iter().map(|role| (role.role.name.id().to_owned(), role.verdict.is_ok())).collect()
}

fn verdicts(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
    expected.iter().map(|(id, may)| ((*id).to_owned(), *may)).collect()
}

#[test]
fn every_role_that_can_be_held_there_is_listed_with_the_verdict_of_giving_it() {
    assert_eq!(given("olga", "acme"), verdicts(&[("owner", true), ("admin", true), ("standard", true)]));
    assert_eq!(given("adam", "acme"), verdicts(&[("owner", false), ("admin", false), ("standard", true)]));
    assert_eq!(given("wendy", "acme/workspaces/w"), verdicts(&[("workspace-admin", true), ("designer", true)]));
    assert_eq!(given("sam", "acme/accounts/b"), verdicts(&[("manager", false), ("assigner", false)]));
    let owner = listed("adam", "acme").unwrap().remove(0);
    assert_eq!(owner.verdict, Err(Refusal::NotAllowed { permission: "people.admins".to_owned(), node: node("acme") }));
    assert_eq!((owner.role.seats.most, owner.needs_components, owner.most_components), (2, false, None));
}

#[test]
fn nothing_is_told_to_whom_the_node_is_foreign() {
    assert!(matches!(listed("stranger", "acme"), Err(Refusal::NotAllowed { .. })));
    assert_eq!(listed("stranger", "nowhere"), Err(Refusal::NotAllowed { permission: String::new(), node: node("nowhere") }));
}

#[test]
fn the_largest_component_map_is_what_the_actor_has_component_by_component() {
    let manager = |who: &str, at: &str| listed(who, at).unwrap().into_iter().find(|listed| listed.role.name == role("manager")).unwrap();
    let all = map(&[("billing", Level::Edit), ("campaigns", Level::Edit), ("people", Level::Edit)]);
    let olgas = manager("olga", "acme/accounts/a");
    assert_eq!((olgas.verdict, olgas.needs_components, olgas.most_components), (Ok(()), false, all));
    // Mark has a map of his own, without billing.
    let marks = manager("mark", "acme/accounts/a");
    let most = map(&[("campaigns", Level::Edit), ("people", Level::Edit)]);
    assert_eq!((marks.verdict, marks.needs_components, marks.most_components), (Ok(()), true, most));
    // Of campaigns Tim may only view them, and what he has ends.
    let tims = manager("tim", "acme/accounts/a");
    assert!(matches!(tims.verdict, Err(Refusal::NotContained { .. })));
    assert_eq!((tims.needs_components, tims.most_components), (false, Some(BTreeMap::new())));
    let sams = manager("sam", "acme/accounts/a");
    assert!(matches!(sams.verdict, Err(Refusal::NotAllowed { .. })));
    assert_eq!(sams.most_components, Some(BTreeMap::new()));
}

#[test]
fn whatever_is_said_to_be_assignable_may_be_assigned_and_no_more() {
    let view = view(WORLD);
    for who in ["olga", "adam", "wendy", "mark", "tim", "sam"] {
        for at in ["acme", "acme/workspaces/w", "acme/accounts/a"] {
            for listed in listed(who, at).unwrap() {
                let may = |components| {
                    let binding = Binding { role: listed.role.name.clone(), components, ..super::proposal("nobody", "owner", at) };
                    permit(&view, &Actor::User(user(who)), &Requirement::Assign { binding, path: AssignPath::Assign }, NOW).is_ok()
                };
                let most = listed.most_components.clone().filter(|_| listed.needs_components);
                assert_eq!(may(most), listed.verdict.is_ok(), "{who} {at} {}", listed.role.name);
                for (component, level) in listed.most_components.iter().flatten() {
                    assert!(may(map(&[(component, *level)])), "{who} {at} {component}");
                }
                // A manager is given all of it, at the highest level.
                for component in ["billing", "campaigns", "people"].into_iter().filter(|_| listed.role.name == role("manager")) {
                    let level = listed.most_components.as_ref().unwrap().get(component).copied();
                    assert_eq!(may(map(&[(component, Level::Edit)])), level == Some(Level::Edit), "{who} {at} {component}");
                }
            }
        }
    }
}
