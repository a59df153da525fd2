//! The five systems put to the engine in this process, and to its oracle: the same corpus that runs over gRPC.

use std::collections::BTreeSet;

use decision::{
    corpus::{
        Assign, Change, Check, InProcess, Lines, List, RoleList, ShownMatrix, Subject, Tally, Verdict, Write, WriteOutcome, renamed, run,
        verdict,
    },
    document::Document,
    model::RoleModel,
    name::RoleName,
    oracle::Oracle,
    permit::{Actor, AssignPath, Requirement, permit},
    validate::validate,
    world::World,
};
use tests::corpus::{REQUIREMENTS, shipped_model, suites};

/// The engine, with the oracle asked everything too.
#[derive(Default)]
struct EngineAndOracle(InProcess);

impl Subject for EngineAndOracle {
    fn load(&mut self, document: &Document, world: &World) -> Result<(), String> {
        self.0.load(document, world)
    }

    fn apply(&mut self, change: &Change) -> Result<(), String> {
        self.0.apply(change)
    }

    fn wait(&mut self, seconds: u32) -> Result<(), String> {
        self.0.wait(seconds)
    }

    fn check(&mut self, check: &Check) -> Result<Verdict, String> {
        self.0.check(check)
    }

    fn checks(&mut self, checks: &[Check]) -> Vec<Result<Verdict, String>> {
        let answers: Vec<_> = checks.iter().map(|check| self.check(check)).collect();
        let oracle = Oracle::new(self.0.records());
        let agreed = |check: &Check, fast: Verdict| {
            let naive = verdict(oracle.decide(&InProcess::query(check)?, self.0.now()));
            if fast == naive { Ok(fast) } else { Err(format!("the engine says {fast}, the oracle {naive}")) }
        };
        checks.iter().zip(answers).map(|(check, answer)| agreed(check, answer?)).collect()
    }

    fn list(&mut self, list: &List) -> Result<BTreeSet<String>, String> {
        self.0.list(list)
    }

    fn may_assign(&mut self, assign: &Assign) -> Result<bool, String> {
        self.0.may_assign(assign)
    }

    fn roles(&mut self, list: &RoleList) -> Result<Option<BTreeSet<String>>, String> {
        self.0.roles(list)
    }

    fn matrix(&mut self, matrix: &ShownMatrix) -> Result<Lines, String> {
        self.0.matrix(matrix)
    }

    fn write(&mut self, write: &Write) -> Result<Option<WriteOutcome>, String> {
        self.0.write(write)
    }
}

/// How many decisions the corpus holds at least; it only grows.
const LEAST_DECISIONS: usize = 600;

#[test]
fn the_five_systems_hold_in_the_engine_and_in_the_oracle() {
    let mut tally = Tally::default();
    for suite in suites().unwrap() {
        run(&mut EngineAndOracle::default(), &suite.document, &suite.corpus, &mut tally);
    }
    println!("{tally} ({} about assigning; {} writes left to the services)", tally.assignments, tally.writes_left);
    assert!(tally.failures.is_empty(), "{}\n{tally}", tally.failures.join("\n"));
    assert_eq!(tally.systems.len(), 5);
    assert!(tally.decisions >= LEAST_DECISIONS, "{tally}");
}

#[test]
fn the_five_systems_hold_under_other_names() {
    let mut tally = Tally::default();
    for suite in suites().unwrap() {
        let (document, corpus) = renamed(&suite.document, &suite.corpus);
        assert!(document.roles.iter().all(|role| suite.document.roles.iter().all(|old| old.id != role.id)));
        run(&mut EngineAndOracle::default(), &document, &corpus, &mut tally);
    }
    assert!(tally.failures.is_empty(), "{}\n{tally}", tally.failures.join("\n"));
    assert!(tally.decisions >= LEAST_DECISIONS, "{tally}");
}

#[test]
fn every_shipped_model_is_without_findings_also_under_other_names() {
    for suite in suites().unwrap() {
        let (other, _) = renamed(&suite.document, &suite.corpus);
        for document in [suite.document, other] {
            assert_eq!(validate(&document), [], "{}", document.model);
            RoleModel::compile(document).unwrap();
        }
    }
}

#[test]
fn every_requirement_is_shown_by_a_scenario() {
    let suites = suites().unwrap();
    let named: BTreeSet<&String> =
        suites.iter().flat_map(|suite| &suite.corpus.scenarios).flat_map(|scenario| &scenario.requirements).collect();
    let all: BTreeSet<String> = REQUIREMENTS.iter().flat_map(|(letter, count)| (1..=*count).map(move |n| format!("{letter}{n}"))).collect();
    let unshown: Vec<&String> = all.iter().filter(|id| !named.contains(id)).collect();
    assert!(unshown.is_empty(), "{unshown:?}");
    let unknown: Vec<&String> = named.into_iter().filter(|id| !all.contains(*id)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_scenario_has_a_name_of_its_own_and_shows_something() {
    for suite in suites().unwrap() {
        let mut names = BTreeSet::new();
        for scenario in &suite.corpus.scenarios {
            assert!(names.insert(&scenario.name), "{}: {} is there twice", suite.corpus.system, scenario.name);
            let asked = scenario.checks.len() + scenario.lists.len() + scenario.assigns.len() + scenario.writes.len();
            let shown = scenario.role_lists.len() + scenario.shown_matrices.len();
            assert!(asked + shown > 0 && !scenario.requirements.is_empty(), "{}: {}", suite.corpus.system, scenario.name);
        }
    }
}

/// A matrix must not be emptied by a slip of a row's name: every cell of the published file is asked.
#[test]
fn every_cell_of_the_published_matrix_is_a_check() {
    let csv = include_str!("../conformance/campaign-studio.csv");
    let cells = csv.lines().skip(1).map(|line| line.split(',').count() - 2).sum::<usize>();
    assert_eq!(cells, 160);
    let suites = suites().unwrap();
    let studio = suites.iter().find(|suite| suite.corpus.system == "campaign-studio").unwrap();
    let matrix = &studio.corpus.scenarios[0];
    // Six cells are conditional and asked in three ways; every row stands for one permission.
    assert_eq!(matrix.checks.len(), cells + 6 * 2);
}

/// The demo is a world for people: it must be one for the engine too, with every role of each system held by somebody.
#[test]
fn the_demo_has_a_holder_of_every_role() {
    for id in ["agency", "brand-studio", "media-marketplace", "campaign-studio", "ad-platform"] {
        let document = shipped_model(id).unwrap();
        let text = std::fs::read_to_string(format!("{}/../crates/cli/demo/{id}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let world: World = serde_saphyr::from_str(&text).unwrap();
        let mut engine = InProcess::default();
        engine.load(&document, &world).unwrap();
        let held: BTreeSet<String> = engine.view().bindings().map(|binding| binding.role.id().to_owned()).collect();
        let idle: Vec<&str> = document.roles.iter().map(|role| role.id.as_str()).filter(|role| !held.contains(*role)).collect();
        assert!(idle.is_empty(), "{id}: nobody holds {idle:?}");
        assert!(world.organizations.iter().filter(|organization| !organization.model.is_empty()).all(|root| root.model == id));
    }
}

/// Every binding of a world must be one that the write path would have accepted.
#[test]
fn every_binding_of_every_world_is_one_that_the_platform_could_have_made() {
    for suite in suites().unwrap() {
        let mut engine = InProcess::default();
        engine.load(&suite.document, &suite.corpus.world).unwrap();
        for binding in engine.view().bindings() {
            let asked = Requirement::Assign { binding: binding.clone(), path: AssignPath::Assign };
            let permitted = permit(engine.view(), &Actor::Platform, &asked, engine.now());
            assert!(permitted.is_ok(), "{}: {}: {:?}", suite.corpus.system, binding.name, permitted.err());
        }
        for role in suite.corpus.world.organizations.iter().flat_map(|home| home.roles.iter().map(move |role| (home, role))) {
            let name = RoleName::parse(&format!("organizations/{}/roles/{}", role.0.id, role.1.id)).unwrap();
            let custom = engine.view().custom_role(&name).unwrap().clone();
            let permitted = permit(engine.view(), &Actor::Platform, &Requirement::DefineRole { role: custom }, engine.now());
            assert!(permitted.is_ok(), "{name}: {:?}", permitted.err());
        }
    }
}
