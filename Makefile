# `make` lists the targets. Everything goes through cargo; nothing is built outside its target folder.
.DEFAULT_GOAL := help
.PHONY: help demo test test-stack chaos chaos-stack mutants golden fuzz lint lint-deploy try-readme fmt doc bench tools
MAKEFLAGS += --no-print-directory
# rustup's folder, for a shell that was open before it ran.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
# Arguments of the program behind a target: make demo ARGS=--stay
ARGS ?=

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '%s\n' "$$text" | fold -s -w 60 | while IFS= read -r line; do \
			printf '  %-16s %s\n' "$${target:+make $$target}" "$$line"; target=; done; done

demo: tools ## build and run the whole pipeline on embedded servers (ARGS=--stay keeps it up)
	@cargo build --bin vectide
	@cargo run -q -- demo $(ARGS)

test: tools ## run every test that needs no server
	@cargo test --workspace $(ARGS)

test-stack: tools ## run against real PostgreSQL, Kafka, Debezium and Prometheus, downloaded once
	@scripts/fetch-stack.sh >/dev/null
	@cargo test --test stack -- --ignored --test-threads=1 --nocapture --skip were_killed_for_minutes $(ARGS)

chaos: tools ## break one thing after the other while a table changes (VECTIDE_CHAOS_SEEDS=200, ARGS=directed for single faults, ARGS=load for a kill under load)
	@VECTIDE_CHAOS_SEEDS=$${VECTIDE_CHAOS_SEEDS:-20} cargo test --test faults -- --nocapture $(or $(ARGS),index_and_table)

chaos-stack: tools ## kill real Kafka, Connect and members again and again under load (VECTIDE_CHAOS_MINUTES=10, VECTIDE_CHAOS_SEED=1)
	@scripts/fetch-stack.sh >/dev/null
	@cargo test --test stack were_killed_for_minutes -- --ignored --nocapture $(ARGS)

mutants: tools ## show that the fault suite notices a broken rule (ARGS=NAME picks one of scripts/mutants)
	@scripts/mutants.sh $(ARGS)

golden: tools ## capture schemas/golden anew from real PostgreSQL, Kafka and Debezium
	@scripts/fetch-stack.sh >/dev/null
	@UPDATE_GOLDEN=1 cargo test --test stack golden_records -- --ignored --nocapture

fuzz: tools ## feed the decoder bytes that nobody thought of, a minute a target (ARGS=NAME picks; nightly, cargo-fuzz)
	@scripts/fuzz.sh $(ARGS)

lint: tools ## check formatting, the compiler's, clippy's and rustdoc's warnings, and the dependencies' licences
	@cargo fmt --all --check
	@cargo clippy -q --workspace --all-targets -- -D warnings
	@cargo clippy -q -p vectide --no-default-features --lib --bins -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --no-deps
	@scripts/deny.sh
	@scripts/lint-files.sh

lint-deploy: ## check the Helm chart and the compose file by their schemas (builds what that needs with Go, once)
	@scripts/lint-deploy.sh

try-readme: tools ## do what the README says: its demonstration, its configuration, its commands
	@cargo build -q --bin vectide
	@PATH="$$PWD/target/debug:$$PATH" scripts/try-readme.sh

fmt: tools ## format the code
	@cargo fmt --all

doc: tools ## build the API documentation of the workspace
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(ARGS)

bench: tools ## run the benchmarks (ARGS=NAME picks one)
	@cargo bench -p vectide $(ARGS)

tools:
	@scripts/ensure-tools.sh
