#!/usr/bin/env bash
# Runs a real Apache Kafka (KRaft) from Maven Central's jars, for tests and trials. Everything it makes lies under
# target/kafka: the jars once (libs), each cluster's data and logs in a folder of its name.
#
# Standard output carries the answer only (bootstrap addresses, a tool's output); talk goes to standard error.
# Exit code 0: done, or running. 1: not running, or the broker failed. 2: wrong usage, or no Java or Maven.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
HERE="$ROOT/scripts/kafka"
BASE="$ROOT/target/kafka"
START_SECONDS_MAX=120
STOP_SECONDS_MAX=30
JAVA_MIN=17
DEPENDENCY_PLUGIN=3.8.1
# Node i's ports are PORT + 10 (i - 1) and those after it, in this order.
NODE_PORTS=10
OFFSET_CONTROLLER=1 OFFSET_SASL=2 OFFSET_TLS=3 OFFSET_SASL_TLS=4 OFFSET_PROXY=5
# Known to everyone: a broker of this script listens on the loopback interface only and holds nothing.
PASSWORD_ADMIN=admin-secret
PASSWORD_FARSIGN=farsign-secret

say() { printf 'kafka: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
refuse() { say "$*"; exit 2; }

usage() {
    cat >&2 <<'TEXT'
usage: scripts/kafka.sh start|stop|kill|pause|resume|remove|status [--name NAME] [options]
       scripts/kafka.sh tool [--name NAME] CLASS ARGUMENT...
       scripts/kafka.sh prepare

start    start a cluster, or the nodes of it that do not run; prints the bootstrap addresses
stop     stop it as an operator would (SIGTERM); the data stays
kill     SIGKILL; the data stays, `start` goes on with it
pause    SIGSTOP: connections stay open, nobody answers; resume lets it go on
remove   kill, and delete its data and logs
status   exit code 0 and the bootstrap addresses if every node runs, else 1
tool     run one of Kafka's own tools against it as the administrator, for example
         org.apache.kafka.tools.TopicCommand --list
prepare  download the jars and make what starting needs, without starting

--name NAME      which cluster (default: default)
--node I         start, stop, kill, pause or resume this node only

Of the first start of a name; kept until it is removed:
--port N         node 1's client port (default 9092); a node uses the 10 ports from its own, nodes are 10 apart
--nodes 1|3      3: replication factor 3, min.insync.replicas 2
--sasl           a SASL listener at port + 2: PLAIN, SCRAM-SHA-256/512, OAUTHBEARER (unsecured), users `admin` (may do
                 everything) and `farsign` (may do nothing until an ACL allows it); turns the authorizer on
--tls            a TLS listener at port + 3 (with --sasl: SASL over TLS at port + 4); CA, client certificate and key
                 are in target/kafka/NAME/tls
--proxy P        a plain listener at port + 5 that tells clients to come to 127.0.0.1:P (node i: P + i - 1), where a
                 test's TCP proxy waits
--set KEY=VALUE  a line of the broker's configuration; repeatable
--jvm ARGUMENT   an argument of the virtual machine, for example -Xmx1g; repeatable
--owner PID      remove the cluster when this process is gone
TEXT
    exit 2
}

# ---- what all clusters share ------------------------------------------------------------------------------------

JAVA=${JAVA_HOME:+$JAVA_HOME/bin/}java
# One processor more or less does not matter to a test; start time does.
JVM=(-Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto "-Dlog4j2.configurationFile=$HERE/log4j2.properties")

check_java() {
    command -v "$JAVA" >/dev/null 2>&1 \
        || refuse "no \`$JAVA\`: Kafka needs Java $JAVA_MIN or newer; scripts/setup.sh installs it (Debian: openjdk-17-jre-headless)"
}

check_java_version() {
    local version
    version=$("$JAVA" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge "$JAVA_MIN" ] || refuse "Java ${version:-of an unknown version} is too old; Kafka needs $JAVA_MIN or newer"
}

# Changes with the jars, the folder they lie in and the Java that loads them.
stamp() { { cat "$HERE/pom.xml"; echo "$BASE"; readlink -f "$(command -v "$JAVA")"; } | cksum | tr ' ' '-'; }

# Makes jars, formatted data and class archive once; a second caller waits for the first.
prepare() {
    check_java
    mkdir -p "$BASE"
    local stamp
    stamp=$(stamp)
    if [ "$(cat "$BASE/prepared" 2>/dev/null)" = "$stamp" ]; then return; fi
    (
        flock 9
        if [ "$(cat "$BASE/prepared" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
        check_java_version
        fetch_jars
        format_template
        archive_classes || say "no class archive could be made; starting will take longer"
        echo "$stamp" > "$BASE/prepared"
    ) 9> "$BASE/prepare.lock"
}

fetch_jars() {
    local fresh="$BASE/libs.new" output
    command -v mvn >/dev/null 2>&1 \
        || refuse "no \`mvn\`: Maven fetches Kafka's jars; scripts/setup.sh installs it (Debian: maven)"
    say "fetching Kafka's jars into target/kafka/libs (about 45 MB, once)"
    rm -rf "$fresh"
    output=$(mvn --batch-mode --quiet --no-transfer-progress --strict-checksums --file "$HERE/pom.xml" \
        "org.apache.maven.plugins:maven-dependency-plugin:$DEPENDENCY_PLUGIN:copy-dependencies" \
        -DincludeScope=runtime "-DoutputDirectory=$fresh" 2>&1) || fail "Maven could not fetch Kafka's jars: $output"
    rm -rf "$BASE/libs"
    mv "$fresh" "$BASE/libs"
}

# Formatting costs a virtual machine's start, so it is done once: a new node gets a copy with its own number.
format_template() {
    local folder="$BASE/template"
    rm -rf "$folder" && mkdir -p "$folder"
    PORT=9092 NODES=1 SASL='' TLS='' PROXY='' SETTINGS=()
    properties 1 "$folder" > "$folder/server.properties"
    "$JAVA" "${JVM[@]}" -cp "$BASE/libs/*" kafka.tools.StorageTool format --cluster-id farsign-test-cluster-A \
        --config "$folder/server.properties" \
        --add-scram "SCRAM-SHA-256=[name=farsign,password=$PASSWORD_FARSIGN]" \
        --add-scram "SCRAM-SHA-512=[name=farsign,password=$PASSWORD_FARSIGN]" \
        --add-scram "SCRAM-SHA-512=[name=admin,password=$PASSWORD_ADMIN]" \
        > "$folder/log" 2>&1 || { cat "$folder/log" >&2; fail "the data folder could not be formatted"; }
}

# Loading classes is most of a start: a broker is run once, and its classes are kept as the virtual machine lays them out.
archive_classes() {
    local folder="$BASE/archive" pid attempt
    for attempt in 1 2 3; do
        rm -rf "$folder" "$BASE/classes.jsa" && mkdir -p "$folder"
        PORT=$((20000 + (RANDOM % 1000) * NODE_PORTS)) NODES=1 SASL='' TLS='' PROXY='' SETTINGS=()
        new_node 1 "$folder"
        "$JAVA" "${JVM[@]}" "-XX:ArchiveClassesAtExit=$BASE/classes.jsa" -cp "$BASE/libs/*" kafka.Kafka \
            "$folder/server.properties" > "$folder/log" 2>&1 9>&- &
        pid=$!
        if wait_ready "$pid" "$folder/log" 0; then
            kill "$pid" 2>/dev/null || true
            wait "$pid" || true
            rm -rf "$folder"
            [ -f "$BASE/classes.jsa" ] && return 0
        fi
        kill -KILL "$pid" 2>/dev/null || true
        say "archiving classes: attempt $attempt failed"
    done
    return 1
}

# ---- one cluster ------------------------------------------------------------------------------------------------

node_port() { echo $((PORT + NODE_PORTS * ($1 - 1))); }

addresses() {
    local offset=$1 node list=''
    for ((node = 1; node <= NODES; node++)); do
        list+=,127.0.0.1:$(($(node_port "$node") + offset))
    done
    echo "${list#,}"
}

# The configuration of node $1 whose folder is $2. Internal topics are small and intervals short: tests wait for them.
properties() {
    local node=$1 folder=$2 port listeners advertised voters='' i replicas=$NODES min_isr=$((NODES / 2 + NODES % 2))
    port=$(node_port "$node")
    for ((i = 1; i <= NODES; i++)); do voters+=,$i@127.0.0.1:$(($(node_port "$i") + OFFSET_CONTROLLER)); done
    advertised=PLAINTEXT://127.0.0.1:$port
    if [ -n "$SASL" ]; then advertised+=,SASL_PLAINTEXT://127.0.0.1:$((port + OFFSET_SASL)); fi
    if [ -n "$TLS" ]; then advertised+=,SSL://127.0.0.1:$((port + OFFSET_TLS)); fi
    if [ -n "$SASL" ] && [ -n "$TLS" ]; then advertised+=,SASL_SSL://127.0.0.1:$((port + OFFSET_SASL_TLS)); fi
    listeners=$advertised,CONTROLLER://127.0.0.1:$((port + OFFSET_CONTROLLER))
    if [ -n "$PROXY" ]; then
        listeners+=,PROXY://127.0.0.1:$((port + OFFSET_PROXY))
        advertised+=,PROXY://127.0.0.1:$((PROXY + node - 1))
    fi
    cat <<TEXT
process.roles=broker,controller
node.id=$node
controller.quorum.voters=${voters#,}
listeners=$listeners
advertised.listeners=$advertised
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXY:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
log.dirs=$folder/data
num.network.threads=2
num.io.threads=2
background.threads=2
num.recovery.threads.per.data.dir=1
auto.create.topics.enable=false
default.replication.factor=$replicas
min.insync.replicas=$min_isr
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$min_isr
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$min_isr
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.cleaner.threads=1
log.cleaner.backoff.ms=500
log.cleaner.min.cleanable.ratio=0.01
log.retention.check.interval.ms=1000
TEXT
    if [ -n "$SASL" ]; then sasl_properties; fi
    if [ -n "$TLS" ]; then tls_properties "$(dirname "$folder")/tls"; fi
    if [ "${#SETTINGS[@]}" -gt 0 ]; then printf '%s\n' "${SETTINGS[@]}"; fi
}

# The plain listener is the brokers' own and the tests' way in, so its nameless user is an administrator.
sasl_properties() {
    local listener kafka=org.apache.kafka.common.security
    cat <<TEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
TEXT
    for listener in sasl_plaintext sasl_ssl; do
        cat <<TEXT
listener.name.$listener.plain.sasl.jaas.config=$kafka.plain.PlainLoginModule required user_admin="$PASSWORD_ADMIN" user_farsign="$PASSWORD_FARSIGN";
listener.name.$listener.scram-sha-256.sasl.jaas.config=$kafka.scram.ScramLoginModule required;
listener.name.$listener.scram-sha-512.sasl.jaas.config=$kafka.scram.ScramLoginModule required;
listener.name.$listener.oauthbearer.sasl.jaas.config=$kafka.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="admin";
listener.name.$listener.oauthbearer.sasl.server.callback.handler.class=$kafka.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler
TEXT
    done
}

tls_properties() {
    cat <<TEXT
ssl.keystore.type=PEM
ssl.keystore.location=$1/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=$1/ca.pem
listener.name.ssl.ssl.client.auth=requested
TEXT
}

# A CA of its own, a server certificate for the loopback names, and a client certificate `CN=farsign`.
make_certificates() {
    local folder=$1 who extension
    command -v openssl >/dev/null 2>&1 || refuse "no \`openssl\`: it makes the certificates of --tls; scripts/setup.sh installs it"
    mkdir -p "$folder"
    (
        cd "$folder"
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=farsign-test-ca -keyout ca.key -out ca.pem
        for who in server client; do
            extension=extendedKeyUsage=clientAuth
            [ "$who" = client ] || extension='subjectAltName=DNS:localhost,IP:127.0.0.1'
            openssl req -newkey rsa:2048 -nodes -subj "/CN=$([ "$who" = client ] && echo farsign || echo localhost)" \
                -keyout "$who.key" -out "$who.csr"
            openssl x509 -req -in "$who.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out "$who.crt" \
                -extfile <(echo "$extension")
        done
        cat server.key server.crt ca.pem > server.pem
        chmod 600 ./*.key server.pem
    ) > "$folder/log" 2>&1 || { cat "$folder/log" >&2; fail "openssl could not make the certificates"; }
}

# Folder $2 of a new node $1: configuration and formatted data.
new_node() {
    mkdir -p "$2"
    cp -R "$BASE/template/data" "$2/data"
    sed -i "s/^node\.id=.*/node.id=$1/; s/^directory\.id=.*/directory.id=farsign-test-node-$1-AA/" "$2/data/meta.properties"
    properties "$1" "$2" > "$2/server.properties"
}

# Whether the pid file of node $1 names a broker of this cluster; sets `pid`.
node_runs() {
    pid=$(cat "$CLUSTER/node-$1/pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline" | grep -q -F -- "$CLUSTER/node-$1/server.properties"
}

# Waits until the log $2 of process $1 says, beyond its first $3 bytes, that the broker is ready.
wait_ready() {
    local deadline=$((SECONDS + START_SECONDS_MAX))
    until tail -c "+$(($3 + 1))" "$2" | grep -q 'Kafka Server started'; do
        if ! kill -0 "$1" 2>/dev/null; then
            tail -n 20 "$2" >&2
            return 1
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            say "not ready after $START_SECONDS_MAX s; see $2"
            return 1
        fi
        sleep 0.05
    done
}

start_node() {
    local folder="$CLUSTER/node-$1"
    local jvm=("${JVM[@]}")
    if [ -f "$BASE/classes.jsa" ]; then jvm+=("-XX:SharedArchiveFile=$BASE/classes.jsa"); fi
    # No descriptor of ours may stay open in the broker: a caller waits for the end of our output, others for our lock.
    setsid "$JAVA" "${jvm[@]}" "@$CLUSTER/jvm" -cp "$BASE/libs/*" kafka.Kafka "$folder/server.properties" \
        >> "$folder/log" 2>&1 < /dev/null 9>&- &
    echo "$!" > "$folder/pid"
}

# The options of a cluster's first start hold until it is removed.
create_cluster() {
    local fresh="$CLUSTER.new" node
    rm -rf "$fresh" && mkdir -p "$fresh"
    PORT=${PORT:-9092} NODES=${NODES:-1}
    # -g: they are read inside a function.
    declare -p PORT NODES SASL TLS PROXY SETTINGS | sed 's/^declare /declare -g /' > "$fresh/options"
    printf '%s\n' "${JVM_ARGUMENTS[@]:-}" > "$fresh/jvm"
    if [ -n "$TLS" ]; then make_certificates "$fresh/tls"; fi
    for ((node = 1; node <= NODES; node++)); do
        mkdir -p "$fresh/node-$node"
        # Paths inside are those after the rename.
        new_node "$node" "$fresh/node-$node"
        sed -i "s|$fresh|$CLUSTER|g" "$fresh/node-$node/server.properties"
    done
    mv "$fresh" "$CLUSTER"
}

load_cluster() {
    [ -f "$CLUSTER/options" ] || return 1
    # shellcheck disable=SC1091
    . "$CLUSTER/options"
}

# Node numbers a command acts on.
chosen() { if [ -n "$NODE" ]; then echo "$NODE"; else seq 1 "$NODES"; fi; }

watch_owner() {
    if [ -z "$OWNER" ] || kill -0 "$(cat "$CLUSTER/watcher" 2>/dev/null || echo none)" 2>/dev/null; then return; fi
    # shellcheck disable=SC2016 # the inner shell expands them
    setsid bash -c 'while kill -0 "$1" 2>/dev/null && [ -d "$2" ]; do sleep 1; done
        if [ -d "$2" ]; then exec "$3" remove --name "$4"; fi' \
        watch-owner "$OWNER" "$CLUSTER" "$ROOT/scripts/kafka.sh" "$NAME" > /dev/null 2>&1 < /dev/null 9>&- &
    echo "$!" > "$CLUSTER/watcher"
}

start() {
    local pid node started=()
    declare -A size=()
    prepare
    if [ -d "$CLUSTER" ]; then
        if [ -n "$CREATING" ]; then say "cluster \`$NAME\` is there already; it keeps the options it was made with"; fi
        load_cluster || fail "target/kafka/$NAME is not a cluster of this script"
    else
        create_cluster
    fi
    watch_owner
    for node in $(chosen); do
        [ -d "$CLUSTER/node-$node" ] || refuse "cluster \`$NAME\` has no node $node"
        if node_runs "$node"; then continue; fi
        touch "$CLUSTER/node-$node/log"
        size[$node]=$(wc -c < "$CLUSTER/node-$node/log")
        start_node "$node"
        started+=("$node")
    done
    for node in "${started[@]}"; do
        pid=$(cat "$CLUSTER/node-$node/pid")
        wait_ready "$pid" "$CLUSTER/node-$node/log" "${size[$node]}" || fail "node $node of \`$NAME\` did not start; see $CLUSTER/node-$node/log"
    done
    tell
}

tell() {
    addresses 0
    if [ -n "$SASL" ]; then say "SASL_PLAINTEXT at $(addresses $OFFSET_SASL)"; fi
    if [ -n "$TLS" ]; then say "SSL at $(addresses $OFFSET_TLS), CA in $CLUSTER/tls/ca.pem"; fi
    if [ -n "$SASL" ] && [ -n "$TLS" ]; then say "SASL_SSL at $(addresses $OFFSET_SASL_TLS)"; fi
    if [ -n "$PROXY" ]; then say "for a proxy: listens at $(addresses $OFFSET_PROXY)"; fi
}

signal_nodes() {
    local pid node
    for node in $(chosen); do
        node_runs "$node" || fail "node $node of \`$NAME\` does not run"
        kill "-$1" "$pid"
    done
}

# Sends signal $1 to the nodes and waits until they are gone.
end_nodes() {
    local signal=$1 pid node pids=() deadline=$((SECONDS + STOP_SECONDS_MAX))
    for node in $(chosen); do
        if node_runs "$node"; then
            kill "-$signal" "$pid" 2>/dev/null || true
            # A process that was stopped with SIGSTOP must go on to see SIGTERM.
            kill -CONT "$pid" 2>/dev/null || true
            pids+=("$pid")
        fi
    done
    for pid in "${pids[@]}"; do
        # A process that has ended but that nobody waits for has no command line left.
        while [ -n "$(tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline")" ]; do
            if [ "$SECONDS" -ge "$deadline" ]; then
                say "process $pid does not end; killing it"
                kill -KILL "$pid" 2>/dev/null || true
                deadline=$((SECONDS + STOP_SECONDS_MAX))
            fi
            sleep 0.02
        done
    done
    for node in $(chosen); do rm -f "$CLUSTER/node-$node/pid"; done
}

status() {
    local pid node all=0
    load_cluster || fail "there is no cluster \`$NAME\`"
    for ((node = 1; node <= NODES; node++)); do
        if node_runs "$node"; then say "node $node runs, process $pid"; else say "node $node does not run"; all=1; fi
    done
    if [ "$all" -eq 0 ]; then tell; fi
    return "$all"
}

tool() {
    local class=$1 archive=()
    shift
    load_cluster || fail "there is no cluster \`$NAME\`"
    prepare
    if [ -f "$BASE/classes.jsa" ]; then archive=("-XX:SharedArchiveFile=$BASE/classes.jsa"); fi
    exec "$JAVA" "${JVM[@]}" "${archive[@]}" -cp "$BASE/libs/*" "$class" --bootstrap-server "$(addresses 0)" "$@"
}

# ---- command line -----------------------------------------------------------------------------------------------

number() {
    if ! [[ "$2" =~ ^[0-9]{1,9}$ ]] || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
        refuse "$1 \`$2\` is not a number from $3 to $4"
    fi
}

main() {
    local command=${1:-}
    case "$command" in
        start | stop | kill | pause | resume | remove | status | tool | prepare) shift ;;
        *) usage ;;
    esac
    NAME=default NODE='' PORT='' NODES='' SASL='' TLS='' PROXY='' OWNER='' SETTINGS=() JVM_ARGUMENTS=() CREATING=''
    while [ "$#" -gt 0 ]; do
        case "$1" in
            --sasl | --tls)
                CREATING=1
                if [ "$1" = --sasl ]; then SASL=1; else TLS=1; fi
                shift
                continue
                ;;
            --*) [ "$#" -ge 2 ] || refuse "$1 needs a value" ;;
            *) break ;;
        esac
        case "$1" in
            --name) NAME=$2 ;;
            --node) NODE=$2; number "$1" "$2" 1 3 ;;
            --owner) OWNER=$2; number "$1" "$2" 1 4194304 ;;
            --port) PORT=$2 CREATING=1; number "$1" "$2" 1024 65500 ;;
            --nodes) NODES=$2 CREATING=1; [ "$2" = 1 ] || [ "$2" = 3 ] || refuse "--nodes is 1 or 3" ;;
            --proxy) PROXY=$2 CREATING=1; number "$1" "$2" 1024 65500 ;;
            --set) SETTINGS+=("$2") CREATING=1; [[ "$2" == *=* ]] || refuse "--set \`$2\` is not KEY=VALUE" ;;
            --jvm) JVM_ARGUMENTS+=("$2") CREATING=1 ;;
            *) refuse "unknown option \`$1\`; scripts/kafka.sh without arguments tells them" ;;
        esac
        shift 2
    done
    [[ "$NAME" =~ ^[a-z0-9][a-z0-9-]*$ ]] || refuse "--name \`$NAME\` may hold a-z, 0-9 and -"
    case "$NAME" in libs | template | archive) refuse "--name \`$NAME\` is kept for the script" ;; esac
    CLUSTER="$BASE/$NAME"
    if [ "$command" = tool ]; then [ "$#" -gt 0 ] || usage; else [ "$#" -eq 0 ] || usage; fi
    run "$command" "$@"
}

# Commands that change a cluster exclude each other.
run() {
    local command=$1
    shift
    case "$command" in
        prepare) prepare; return ;;
        status) status; return ;;
        tool) tool "$@" ;;
    esac
    if [ "$command" != start ] && [ "$command" != remove ] && ! [ -d "$CLUSTER" ]; then
        fail "there is no cluster \`$NAME\`"
    fi
    mkdir -p "$BASE"
    # A lock file that `remove` has deleted meanwhile excludes nobody.
    until [ "$BASE/$NAME.lock" -ef /dev/fd/9 ] 2>/dev/null; do
        exec 9> "$BASE/$NAME.lock"
        flock 9
    done
    case "$command" in
        start) start ;;
        stop | kill)
            load_cluster || fail "there is no cluster \`$NAME\`"
            if [ "$command" = kill ]; then end_nodes KILL; else end_nodes TERM; fi
            ;;
        pause | resume)
            load_cluster || fail "there is no cluster \`$NAME\`"
            signal_nodes "$([ "$command" = pause ] && echo STOP || echo CONT)"
            ;;
        remove)
            if load_cluster; then NODE='' end_nodes KILL; fi
            rm -rf "$CLUSTER" "$CLUSTER.new" "$BASE/$NAME.lock"
            ;;
    esac
}

main "$@"
