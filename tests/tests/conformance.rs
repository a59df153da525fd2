//! The five systems, requirement by requirement, put to running services: three processes on PostgreSQL, and on SQLite with authz in a
//! process of its own; and once more with every role and every permission renamed, so that none of their names can stand in the code.
//!
//! The last line is `conformance: 5 systems, R requirements, C decisions, 0 failed`; the exit code tells the same.

use std::{process::ExitCode, thread};

use decision::corpus::{Tally, renamed, run};
use tests::{
    corpus::{Suite, suites},
    installation::Layout,
    services::Services,
};

fn main() -> ExitCode {
    // `cargo test -- --list` and the like ask every test binary; there is one thing to run here.
    if std::env::args().any(|argument| argument == "--list") {
        println!("conformance: test");
        return ExitCode::SUCCESS;
    }
    let suites = suites().expect("the corpus reads");
    let places = [
        ("three processes on PostgreSQL", Layout::Three, true, false),
        ("SQLite, authz in a process of its own", Layout::AuthzApart, false, false),
        ("SQLite, one process, under other names", Layout::One, false, true),
    ];
    // At once: most of the time goes by while processes start and disks write.
    let tallies = thread::scope(|scope| {
        let running = places.map(|(place, layout, postgres, other_names)| {
            let suites = &suites;
            scope.spawn(move || (place, put(suites, Services::new(layout, postgres), other_names)))
        });
        running.map(|one| one.join().expect("a place ends with a tally"))
    });
    let mut whole = Tally::default();
    for (place, (tally, worlds)) in tallies {
        println!(
            "{place}: {} decisions ({} about assigning), {} writes, in {worlds} worlds, {} failed",
            tally.decisions,
            tally.assignments,
            tally.writes,
            tally.failures.len()
        );
        for failure in &tally.failures {
            println!("  FAILED {failure}");
        }
        add(&mut whole, tally);
    }
    println!("{whole}");
    if whole.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts the whole corpus to services; also in how many worlds that was.
fn put(suites: &[Suite], mut services: Services, other_names: bool) -> (Tally, usize) {
    let mut tally = Tally::default();
    for suite in suites {
        if other_names {
            let (document, corpus) = renamed(&suite.document, &suite.corpus);
            run(&mut services, &document, &corpus, &mut tally);
        } else {
            run(&mut services, &suite.document, &suite.corpus, &mut tally);
        }
    }
    (tally, services.started)
}

fn add(whole: &mut Tally, part: Tally) {
    whole.systems.extend(part.systems);
    for (requirement, answers) in part.requirements {
        *whole.requirements.entry(requirement).or_default() += answers;
    }
    whole.decisions += part.decisions;
    whole.assignments += part.assignments;
    whole.writes += part.writes;
    whole.writes_left += part.writes_left;
    whole.failures.extend(part.failures);
}
