# The commands of CONTRIBUTING.md. Each sets up what it needs.

CARGO ?= cargo
FUZZ_SECONDS ?= 60

.PHONY: help setup demo test lint bench bench-kafka bench-quality bench-tune fit-scores chaos fuzz kafka

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: ## check the toolchain and install missing system packages
	@scripts/setup.sh $(NEEDS)

# They go without Java, Maven, Prometheus and Chromium, which the tests need.
demo bench bench-quality bench-tune fit-scores fuzz: NEEDS = --build

demo: setup ## simulate an organisation under attack, replay its logs, explain the alerts
	$(CARGO) run --release --locked -- demo

# Debug assertions stay on: the dev profile is optimised enough (Cargo.toml) to run the whole suite.
# Cargo runs the doc tests after the library's and the integration tests.
test: setup ## run every test
	$(CARGO) test --locked

lint: setup ## format, clippy, documentation, shell scripts
	@scripts/lint.sh

# Only the results go to stdout. They are kept in benches/results when asked for: `make bench RECORD=1`.
BENCH = $(CARGO) bench --locked --bench decode --bench enrich --bench state --bench replay --bench history
RESULTS = benches/results/$(shell date -u +%F).md

bench: setup ## run the benchmarks, each beside its floor
ifdef RECORD
	@mkdir -p benches/results
	@scripts/bench-header.sh > $(RESULTS)
	$(BENCH) >> $(RESULTS)
	@cat $(RESULTS)
else
	$(BENCH)
endif

bench-tune: setup ## measure many configurations over one stream, beside one replay of it
	@scripts/bench-header.sh
	$(CARGO) bench --locked --bench tune

bench-kafka: setup ## measure farsign run on a real broker, beside a consumer alone
	@scripts/bench-header.sh
	$(CARGO) bench --locked --bench kafka

# Minutes; sizes, seeds and populations are in scripts/bench-quality.sh. Kept in benches/results with RECORD=1.
QUALITY = benches/results/$(shell date -u +%F)-quality.md

bench-quality: setup ## measure the detections on simulated organisations, beside reference detectors
	$(CARGO) build --release --locked
ifdef RECORD
	@mkdir -p benches/results
	@scripts/bench-header.sh > $(QUALITY)
	@scripts/bench-quality.sh >> $(QUALITY)
	@cat $(QUALITY)
else
	@scripts/bench-quality.sh
endif

fit-scores: setup ## fit the table of scores (src/engine/risk/scores.csv) to simulated organisations
	$(CARGO) build --release --locked
	@scripts/fit-scores.sh

chaos: setup ## kill, freeze and scale instances on a real broker for minutes, then prove exactly once (CHAOS_SEED)
	$(CARGO) test --locked --test kafka_chaos --test kafka_proxy -- --ignored --nocapture --test-threads 1

fuzz: setup ## run each fuzz target for FUZZ_SECONDS (60)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh

kafka: setup ## start a Kafka broker to try things on (scripts/kafka.sh stop ends it)
	@scripts/kafka.sh start
