# bed.sh: the parts of the demo, each a real one: a Subversion repository, five nodes (OpenSSH's sshd on loopback, run
# by whoever runs the demo), a chat room (prosody; without it a file). Sourced by ./demo, which sets D, the scratch
# folder that holds all of it. Everything started here is noted under $D/pids and ended by stop_bed.
#
# shellcheck shell=bash disable=SC2016 # PHP and the nodes expand what single quotes keep

nodes="cdn1 cdn2 app1 app2 app3"
sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd || true)

# --- the repository ---------------------------------------------------------------------------------------------------

repository_url() { echo "file://$D/repository"; }

# commit AUTHOR MESSAGE FILE PATH: one changeset that puts FILE at PATH of the repository.
commit() {
	svnmucc --non-interactive --username "$1" --message "$2" put "$3" "$(repository_url)/$4" >/dev/null
}

# page NAME REVISION: the text of an HTML page.
page() {
	printf '<!doctype html>\n<title>%s</title>\n<link rel="stylesheet" href="css/site.css">\n<h1>%s</h1>\n' "$1" "$1"
	printf '<p>State %s of this page.</p>\n' "$2"
}

# class NAME RATE: a PHP class.
class() {
	printf '<?php\n\nfinal class %s\n{\n    private const RATE = %s;\n\n' "$1" "$2"
	printf '    public static function of(float $net): float\n    {\n        return round($net * self::RATE, 2);\n    }\n}\n'
}

# settings KEYS...: lib/settings.php, which reads the node's own settings and insists on these keys.
settings() {
	cat <<'PHP'
<?php

$settings = parse_ini_file(getenv('HOME') . '/shop.ini');
PHP
	for key in "$@"; do
		printf 'isset($settings["%s"]) or exit_with("shop.ini of this node has no %s");\n' "$key" "$key"
	done
	cat <<'PHP'

function exit_with(string $why): never
{
    fwrite(STDERR, $why . "\n");
    exit(1);
}
PHP
}

# first_site DIR: the site as it was imported.
first_site() {
	mkdir -p "$1/lib" "$1/css" "$1/pages"
	printf '<?php\nrequire __DIR__ . "/lib/settings.php";\nrequire __DIR__ . "/lib/cart.php";\n' >"$1/index.php"
	printf 'echo $settings["name"], ": ", Cart::of(100.0), "\\n";\n' >>"$1/index.php"
	settings name >"$1/lib/settings.php"
	for name in cart price tax stock order parcel; do class "${name^}" 1.19 >"$1/lib/$name.php"; done
	for name in home about shop help terms contact jobs press; do page "$name" 1 >"$1/pages/$name.html"; done
	printf 'body { font-family: sans-serif }\n' >"$1/css/site.css"
}

# make_repository: trunk, the production branch, and some months of work by five people.
make_repository() {
	local url authors=(lena marek aisha tom joan) things=(cart price tax stock order parcel)
	local pages=(home about shop help terms contact jobs press) i who thing
	url=$(repository_url)
	svnadmin create "$D/repository"
	first_site "$D/site"
	svnmucc --non-interactive --username joan -m 'trunk and branches' mkdir "$url/trunk" mkdir "$url/branches" >/dev/null
	svn import -q --non-interactive --username joan -m 'The shop, as it was on the old server' "$D/site" "$url/trunk"
	for i in $(seq 1 40); do
		who=${authors[i % 5]}
		if ((i % 2)); then
			thing=${things[i / 2 % 6]}
			class "${thing^}" "1.$((10 + i))" >"$D/file"
			commit "$who" "$thing: rate of week $i, refs #$((200 + i / 3))" "$D/file" "trunk/lib/$thing.php"
		else
			thing=${pages[i / 2 % 8]}
			page "$thing" "$i" >"$D/file"
			commit "$who" "pages: say it shorter on $thing, fixes #$((300 + i))" "$D/file" "trunk/pages/$thing.html"
		fi
		((i == 30)) && svn copy -q --non-interactive --username joan -m 'production, from trunk' "$url/trunk" "$url/branches/production"
	done
	svn checkout -q "$url/branches/production" "$D/desk"
}

# merge AUTHOR PATH MESSAGE: takes the last change of a file of trunk to production.
merge() {
	local before
	before=$(production_revision)
	svn update -q "$D/desk"
	svn merge -q --non-interactive -c "$(trunk_revision "$2")" '^/trunk' "$D/desk"
	svn commit -q --non-interactive --username "$1" -m "$3" "$D/desk"
	[ "$(production_revision)" != "$before" ] || die "nothing of trunk/$2 was left to merge"
}

trunk_revision() { svn info --show-item last-changed-revision --no-newline "$(repository_url)/trunk/$1"; }

production_revision() { svn info --show-item last-changed-revision --no-newline "$(repository_url)/branches/production"; }

# --- the nodes --------------------------------------------------------------------------------------------------------

# start_nodes: one sshd a node, each with its own key, home and port; then nodes/prod and an ssh home that knows them.
start_nodes() {
	local name
	port=$((20000 + RANDOM % 20000))
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	mkdir -p "$D/home/.ssh"
	chmod 700 "$D/home/.ssh"
	ssh-keygen -q -t ed25519 -N '' -C demo -f "$D/home/.ssh/id_ed25519"
	for name in $nodes; do
		mkdir -p "$D/nodes/$name/www"
		printf 'name=%s\ncurrency=EUR\n' "$name" >"$D/nodes/$name/shop.ini"
		ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$D/nodes/$name/host_key"
		start_node "$D/nodes/$name" || return 1
		echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$D/nodes/$name/host_key.pub")" >>"$D/home/.ssh/known_hosts"
		echo "$port" >"$D/nodes/$name/port"
	done
	printf 'name=app2\n' >"$D/nodes/app2/shop.ini" # somebody forgot this one; the third roll finds it
	nodes_file >"$D/project/nodes/prod"
}

# start_node HOME: starts it on the next free port, which is left in $port. bash that is run by sshd reads ~/.bashrc even
# for a plain command: HOME is the node's own folder, so that nobody's heavy one slows the demo down. Commands begin in it.
start_node() {
	for _ in $(seq 50); do
		port=$((port + 1))
		! listening "$port" && serve "$1" "$port" && return 0
	done
	cat "$1/sshd.log" >&2
	return 1
}

serve() {
	local pid
	printf 'unset BASH_ENV\ncd\n' >"$1/enter"
	cat >"$1/sshd_config" <<CONF
Port $2
ListenAddress 127.0.0.1
HostKey $1/host_key
PidFile none
AuthorizedKeysFile $D/home/.ssh/id_ed25519.pub
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 100
SetEnv HOME=$1 BASH_ENV=$1/enter ROLLSH_DEMO=$D
Subsystem sftp internal-sftp -d $1
CONF
	"$sshd" -D -f "$1/sshd_config" -E "$1/sshd.log" </dev/null >/dev/null 2>&1 &
	pid=$!
	echo "$pid" >>"$D/pids"
	wait_for ready_or_gone "$2" "$pid" && ! gone "$pid"
}

ready_or_gone() { listening "$1" || gone "$2"; }

# nodes_file: nodes/prod of the demo.
nodes_file() {
	cat <<'TEXT'
# The order of this file is the order of the roll. One node a line: name, address, and what is true of it alone.
drain='touch ~/drained'  undrain='rm -f ~/drained'

[cdn] at_once=all  check='test -s ~/www/css/site.css'
TEXT
	node_line cdn1
	node_line cdn2
	printf "\n[app] at_once=1  check='php ~/www/index.php'\n"
	node_line app1
	node_line app2
	node_line app3
}

node_line() { echo "$1 127.0.0.1 port=$(cat "$D/nodes/$1/port") path=$D/nodes/$1/www"; }

# --- the chat room ----------------------------------------------------------------------------------------------------

# start_room: prosody with a room whose talk is also written to $D/room.log, or, where it is not installed, that file
# alone. Prints the Lua expression of the channel.
start_room() {
	: >"$D/room.log"
	if command -v prosody >/dev/null && command -v openssl >/dev/null && start_prosody; then
		echo "notify.xmpp{ jid = \"rollsh@chat.test\", password = secret \"chat\", room = \"dev@rooms.chat.test\","
		echo "    nick = \"rollsh\", server = \"127.0.0.1:$(cat "$D/prosody/port")\", ca = \"$D/prosody/cert.pem\" }"
	else
		echo "notify.exec \"cat >> $D/room.log\""
	fi
}

start_prosody() {
	local P=$D/prosody port=$((40000 + RANDOM % 20000)) root=
	mkdir -p "$P/data" "$P/modules"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=chat.test \
		-addext 'subjectAltName=DNS:chat.test,DNS:rooms.chat.test' -keyout "$P/key.pem" -out "$P/cert.pem" 2>/dev/null || return 1
	cat >"$P/modules/mod_room_log.lua" <<LUA
module:hook("muc-broadcast-message", function(event)
	local body = event.stanza:get_child_text("body")
	if not body then return end
	local log = io.open("$D/room.log", "a")
	log:write(body, "\n")
	log:close()
end)
LUA
	[ "$(id -u)" != 0 ] || root='run_as_root = true'
	cat >"$P/prosody.cfg.lua" <<LUA
$root
pidfile = "$P/pid"
data_path = "$P/data"
plugin_paths = { "$P/modules" }
certificates = "$P"
log = { info = "$P/log" }
interfaces = { "127.0.0.1" }
c2s_ports = { $port }
s2s_ports = { }
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "posix" }
modules_disabled = { "s2s" }
authentication = "internal_hashed"
c2s_require_encryption = true
VirtualHost "chat.test"
  ssl = { key = "$P/key.pem", certificate = "$P/cert.pem" }
Component "rooms.chat.test" "muc"
  modules_enabled = { "room_log" }
  muc_room_locking = false
  muc_room_default_persistent = true
  ssl = { key = "$P/key.pem", certificate = "$P/cert.pem" }
LUA
	echo "$port" >"$P/port"
	prosodyctl ${root:+--root} --config "$P/prosody.cfg.lua" register rollsh chat.test demo >"$P/out" 2>&1 || return 1
	prosody ${root:+--root} -F --config "$P/prosody.cfg.lua" </dev/null >>"$P/out" 2>&1 &
	echo $! >>"$D/pids"
	wait_for listening "$port"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# --- the end ----------------------------------------------------------------------------------------------------------

# stop_bed: ends every process of the bed, with all that it started.
stop_bed() {
	local pid
	[ -f "$D/pids" ] || return 0
	while read -r pid; do end_tree "$pid"; done <"$D/pids"
	for pid in $(carriers); do kill -9 "$pid" 2>/dev/null; done
	rm -f "$D/pids"
}

end_tree() {
	local child children=()
	read -ra children 2>/dev/null <"/proc/$1/task/$1/children" || true
	for child in "${children[@]}"; do end_tree "$child"; done
	kill "$1" 2>/dev/null
	wait_for gone "$1" || kill -9 "$1" 2>/dev/null
}

# gone PID: it ended; one that nobody has waited for yet counts.
gone() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
	case $state in '' | Z*) return 0 ;; *) return 1 ;; esac
}

# carriers: the processes that were started in sessions of the nodes; each carries ROLLSH_DEMO.
carriers() {
	local environ
	for environ in /proc/[0-9]*/environ; do
		if grep -qzsxF "ROLLSH_DEMO=$D" "$environ" 2>/dev/null; then
			environ=${environ#/proc/}
			echo "${environ%/environ}"
		fi
	done
}

# wait_for CONDITION...: polls it for at most five seconds.
wait_for() {
	local i
	for i in $(seq 100); do
		"$@" && return 0
		sleep 0.05
	done
	return 1
}
