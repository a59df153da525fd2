# The commands of the README. Everything they build is under target/; `make run` keeps its data under data/.
.PHONY: run test conformance mutants bench-writes bench-pages lint clean

# Builds, starts all three services on SQLite with the demo world, and prints what to try.
run:
	cargo build --bin tenantry
	target/debug/tenantry serve all --data-dir data --demo

# Every test, on SQLite and on a throw-away PostgreSQL that it starts (or the one that TENANTRY_TEST_POSTGRES_URL names).
test:
	tests/with-postgres tests/with-grpcurl cargo test --workspace

# The five systems, requirement by requirement, against running services.
conformance:
	tests/with-postgres cargo test --quiet --package tests --test conformance

# Whether a test fails wherever the rules of delegation and the invariants are changed a little; what may survive is in .cargo/mutants.toml, with
# the reason. Needs `cargo install cargo-mutants`, and takes hours on two cores (a build for each of some 480 mutants), so it is not part of CI.
# Without optimization, and without the one test whose model is too large for that; the directory on SQLite alone, for its rules are the same.
MUTATED = $(foreach file,$(2),--file crates/$(1)/src/$(file).rs)
MUTANTS = cargo mutants --output target --timeout 180 --cargo-arg=--config=profile.dev.package.decision.opt-level=0
mutants:
	$(MUTANTS) --package decision $(call MUTATED,decision,permit permit/assignable permit/basis permit/present permit/structure containment proposal) \
		-- --lib -- --skip roles_that_are_too_many_to_compare_are_refused
	$(MUTANTS) --package directory $(call MUTATED,directory,invariants assign arrange) -- --lib --test services -- sqlite tests

# Writes through the service beside the same transaction with nothing in between: ratio and latencies.
bench-writes:
	tests/with-postgres cargo bench --quiet --package tests --bench writes

# What a page of 100 reads from a list of 1,000 and of 1,000,000 users, on both stores. It counts pages, not time, so it need not be optimized.
bench-pages:
	tests/with-postgres cargo bench --quiet --profile dev --package directory --bench pages

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings

clean:
	cargo clean
	rm -rf data
