# Everything a person or CI does with this repository. `make` lists it.
# One set of features everywhere, so that nothing is compiled twice.
CARGO ?= cargo
FLAGS := --locked --features testkit
# The tool of `make mutants` is a package of its own.
WEAVER := --quiet --locked --manifest-path tests/mutants/Cargo.toml --target-dir target/mutants/tool

.DEFAULT_GOAL := help

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: controlplane
controlplane: ## Build the pinned control plane and Alertmanager for tests and demo into the user's cache (first time: about 10 minutes)
	@./tests/controlplane/build.sh >/dev/null
	@./tests/controlplane/alertmanager/build.sh >/dev/null

.PHONY: chromium
chromium: ## Make sure that a Chromium is there for the tests of pages
	@./tests/chromium.sh

.PHONY: faketime
faketime: ## Make sure that the pinned libfaketime is there, which moves the wall clock in a test
	@./tests/rig/faketime.sh --fetch >/dev/null

.PHONY: build
build: ## Build the release binaries
	$(CARGO) build --locked --release --bins

.PHONY: lint
lint: ## Check format, lints and documentation; warnings fail
	@echo "==> format"
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/mutants/Cargo.toml
	@echo "==> lints"
	$(CARGO) clippy $(FLAGS) --all-targets -- -D warnings
	$(CARGO) clippy $(WEAVER) --all-targets -- -D warnings
	@echo "==> documentation"
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(FLAGS) --no-deps --lib

# Benches are compiled by `lint`, not run here: a measurement is no test.
.PHONY: test
test: controlplane chromium faketime lint ## Check everything, on a real control plane too
	@echo "==> tests, on the control plane in $$(./tests/controlplane/build.sh --print-folder)"
	$(CARGO) test $(FLAGS) --lib --bins --tests --no-fail-fast
	$(CARGO) test $(FLAGS) --doc

.PHONY: rig
rig: controlplane faketime ## Break the real processes at every point and judge what came of it (10 to 15 minutes)
	FIREBELL_RIG=all $(CARGO) test $(FLAGS) --test rig

# A profile of its own: optimised, with the checks of a test build. The first build takes minutes.
.PHONY: sim
sim: ## Search for broken promises in virtual time (SEEDS=n from FROM=n, or tell one: SEED=n)
	SEEDS=$(or $(SEEDS),10000) $(if $(FROM),FROM=$(FROM)) $(if $(SEED),SEED=$(SEED)) \
		$(CARGO) test $(FLAGS) --profile sim --test sim -- --nocapture no_seed_breaks_a_promise

.PHONY: demo
demo: controlplane ## See a ticket escalate, be answered and closed, on a real API server (KEEP=1 leaves it running)
	@$(CARGO) build $(FLAGS) --bins --example demo
	@$(CARGO) run --quiet $(FLAGS) --example demo -- $(if $(KEEP),--keep)

.PHONY: bench
bench: controlplane ## Measure the performance claims (benches/)
	$(CARGO) bench $(FLAGS) --benches

# cargo-mutants says what a mutant is. Pinned here, installed into the user's cache at the first run; nothing else needs it.
MUTANTS := 27.1.0
# Its configuration names all files of the rules, and a file on the command line only adds to those.
ONLY := --no-config --exclude 'src/domain/**/tests.rs' --exclude 'src/domain/**/tests/**'
.PHONY: mutants
mutants: ## Change the rules in every small way and see that a test notices (docs/mutants.md; FILE=src/domain/holds.rs or SHARD=17/80 takes a part)
	@tool="$${XDG_CACHE_HOME:-$$HOME/.cache}/firebell/tools/cargo-mutants-$(MUTANTS)"; \
	[ -x "$$tool/bin/cargo-mutants" ] || $(CARGO) install cargo-mutants --version $(MUTANTS) --locked --root "$$tool"; \
	PATH="$$tool/bin:$$PATH"; export PATH; \
	echo "==> does the tool find what it must?" && $(CARGO) test $(WEAVER) && \
	$(CARGO) run $(WEAVER) -- $(if $(FILE),$(ONLY) --file '$(FILE)') $(if $(SHARD),--shard $(SHARD) --sharding round-robin)

.PHONY: crds
crds: ## Write crds/ and the chart's copy anew from the types in src/api
	UPDATE_CRDS=1 $(CARGO) test $(FLAGS) --lib api::crd
	cp crds/*.yaml charts/firebell/crds/

.PHONY: clean-cache
clean-cache: ## Remove all control planes from the user's cache
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/firebell/controlplane"
