//! Ports: status shows on which a tree listens, a forced start comes to a free one, and free-port makes one free.

use crate::agent::{free_port, install};
use crate::env::{Running, TestEnv, alive, kill9, wait_until};
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::thread;

/// The arguments of `agent` by which it listens at these addresses, and stays.
fn listening(addresses: &[&str]) -> Vec<String> {
    let listens = addresses.iter().map(|address| format!("listen {address}"));
    listens.chain(["sleep 300".to_owned()]).collect()
}

/// A home with an `agent`, and a port that nobody has.
fn home() -> (TestEnv, u16) {
    let env = TestEnv::new();
    install(&env);
    (env, free_port())
}

/// Starts `name`, which listens on `port` of 127.0.0.1, and returns its pid.
#[track_caller]
fn serve(env: &TestEnv, flags: &[&str], name: &str, port: u16) -> u32 {
    let address = format!("127.0.0.1:{port}");
    let words = listening(&[&address]);
    let command: Vec<&str> = std::iter::once("agent").chain(words.iter().map(String::as_str)).collect();
    env.start_with(flags, name, &command);
    wait_until("the server to listen", || TcpStream::connect(&address).is_ok());
    env.pid(name)
}

/// Starts a server that bgo knows nothing of, by `sh -c BEFORE; exec agent …`.
fn stranger(env: &TestEnv, before: &str, address: &str) -> Running {
    let script = format!("{before}\nexec agent 'listen {address}' 'sleep 300'");
    let running = env.program("sh", &["-c", &script]).spawn();
    wait_until("the stranger to listen", || TcpStream::connect(address).is_ok());
    running
}

// ---------------------------------------------------------------------------------------------- status

#[test]
fn status_shows_the_ports_of_the_whole_tree() {
    let (env, first) = home();
    let second = free_port();
    let script = format!(
        "agent 'listen 127.0.0.1:{first}' 'listen 0.0.0.0:{second}' 'sleep 300' & \
         (env -i PATH=\"$PATH\" setsid agent 'listen 127.0.0.2:{first}' 'sleep 300' &) ; wait"
    );
    env.start("web", &["sh", "-c", &script]);
    env.start("quiet", &["sleep", "300"]);
    let mut ports = [first, second];
    ports.sort_unstable();
    wait_until("both ports", || env.row("web")["ports"] == json!(ports));
    wait_until("the third socket", || TcpStream::connect(("127.0.0.2", first)).is_ok());
    assert_eq!(env.row("web")["ports"], json!(ports));
    assert_eq!(env.row("quiet")["ports"], json!([]));
    assert_eq!(env.bgo(&["status", "web", "--json"]).ok().json()["ports"], json!(ports));
    let detail = env.bgo(&["status", "web"]).ok().stdout;
    assert!(detail.contains(&format!("Ports:         {}, {}\n", ports[0], ports[1])), "{detail}");
    assert!(!env.bgo(&["status", "quiet"]).ok().stdout.contains("Ports"));
    assert!(!env.bgo(&["status"]).ok().stdout.contains("PORTS"));
    let table = env.bgo(&["status", "--ports"]).ok().stdout;
    assert!(table.contains("WATCH  PORTS") && table.contains(&format!("{},{}", ports[0], ports[1])), "{table}");
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.row("web")["ports"], json!([]));
}

#[test]
fn a_port_of_what_a_command_leaves_behind_counts_and_one_of_a_client_does_not() {
    let (env, port) = home();
    env.start("web", &["sh", "-c", &format!("agent 'listen 127.0.0.1:{port}' 'sleep 300' & exit 0")]);
    wait_until("its port", || env.row("web")["ports"] == json!([port]));
    assert_eq!(env.row("web")["state"], "detached");
    // The test is a client of it: nothing of that is a port.
    let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(env.row("web")["ports"], json!([port]));
}

#[test]
fn a_process_in_another_network_has_its_ports_too() {
    let (env, port) = home();
    if !env.program("unshare", &["--net", "true"]).run().stderr.is_empty() {
        return; // Not allowed here.
    }
    // Ours must not be taken for its.
    let _own = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let listen = format!("listen 0.0.0.0:{port}");
    env.start("web", &["unshare", "--net", "agent", &listen, "sleep 300"]);
    wait_until("its port", || env.row("web")["ports"] == json!([port]));
}

// ---------------------------------------------------------------------------------------------- start --force

#[test]
fn a_forced_start_finds_the_port_of_the_old_process_free() {
    let (env, port) = home();
    let old = serve(&env, &[], "web", port);
    // Whoever has had the number at another address all along is in nobody's way.
    let other = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let listen = format!("listen 127.0.0.1:{port}");
    let args = ["start", "web", "--force", "--ready-when-port", &port.to_string(), "--wait=10", "--", "agent"];
    env.bgo(&[&args[..], &[&listen, "sleep 300"]].concat()).ok();
    assert!(!alive(old) && TcpStream::connect(("127.0.0.1", port)).is_ok());
    drop(other);
}

#[test]
fn a_forced_start_names_the_stranger_that_has_taken_the_port() {
    let (env, port) = home();
    // It ends half a second after its server.
    let script = format!("trap 'sleep 0.5; exit 0' TERM; agent 'listen 127.0.0.1:{port}' 'sleep 300' & wait; wait");
    env.start_with(&["--stop-timeout", "2"], "web", &["sh", "-c", &script]);
    wait_until("the server to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let waiting = thread::spawn(move || {
        let mut taken = None;
        wait_until("the port to be free", || {
            taken = TcpListener::bind(("127.0.0.1", port)).ok();
            taken.is_some()
        });
        taken.unwrap()
    });
    let told = env.bgo(&["start", "web", "--force", "--", "sleep", "300"]).code(1);
    let socket = waiting.join().unwrap();
    let held = format!("bgo: cannot start \"web\": port {port} is held by pid {} (", std::process::id());
    assert!(told.stderr.starts_with(&held) && told.stderr.contains("), which is not of bgo\n"), "{}", told.stderr);
    assert!(told.stderr.ends_with(&format!("hint: bgo free-port {port} ends it\n")), "{}", told.stderr);
    drop(socket);
    env.bgo(&["start", "web", "--force", "--", "sleep", "300"]).ok();
}

#[test]
fn a_forced_start_ends_what_is_left_of_its_own_tree() {
    let (env, port) = home();
    serve(&env, &[], "web", port);
    // It carries the mark of the run, and nothing else tells whose it is.
    let address = format!("127.0.0.2:{port}");
    let mark = env.record("web")["run_id"].as_str().unwrap().to_owned();
    let left =
        env.program("agent", &[format!("listen {address}").as_str(), "sleep 300"]).var("BGO_RUN_ID", mark).spawn();
    wait_until("the leftover to listen", || TcpStream::connect(&address).is_ok());
    env.bgo(&["start", "web", "--force", "--", "sleep", "300"]).ok();
    assert!(!alive(left.pid) && TcpStream::connect(&address).is_err());
}

#[test]
fn a_forced_start_works_after_the_sidecar_was_killed() {
    let (env, port) = home();
    let old = serve(&env, &[], "web", port);
    kill9(env.sidecar("web"));
    let listen = format!("listen 127.0.0.1:{port}");
    env.bgo(&["start", "web", "--force", "--", "agent", &listen, "sleep 300"]).ok();
    assert!(!alive(old));
    wait_until("the new server to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

// ---------------------------------------------------------------------------------------------- free-port

#[test]
fn free_port_ends_who_listens_and_nobody_who_is_connected() {
    let (env, port) = home();
    let address = format!("127.0.0.1:{port}");
    let server = stranger(&env, "", &address);
    let client = TcpStream::connect(&address).unwrap();
    let told = env.bgo(&["free-port", &port.to_string(), "--yes"]).ok();
    assert!(told.stdout.starts_with(&format!("ended pid {} (", server.pid)), "{told:?}");
    assert!(told.stdout.ends_with(&format!("port {port} is free\n")), "{told:?}");
    drop(TcpListener::bind(&address).unwrap());
    drop(client);
    server.finish().code(128 + 15);
    env.bgo(&["free-port", &port.to_string()]).ok().says(&format!("nobody listens on port {port}\n"), "");
}

#[test]
fn free_port_leaves_the_process_of_another_owner_alone() {
    let (env, port) = home();
    let pid = serve(&env, &["--owner", "alice"], "web", port);
    let free = |flags: &[&str]| {
        env.cmd(&[&["free-port", &port.to_string(), "--yes"][..], flags].concat()).var("BGO_OWNER", "bob").run()
    };
    assert!(free(&[]).code(1).stderr.contains("\"web\" belongs to \"alice\""));
    assert!(alive(pid));
    free(&["--any-owner"]).ok();
    assert!(!alive(pid));
}

#[test]
fn free_port_stops_a_process_of_bgo_so_that_it_stays_down() {
    let (env, port) = home();
    // One that has cleared its environment is known by its ancestors.
    let script = format!("env -i PATH=\"$PATH\" agent 'listen 127.0.0.1:{port}' 'sleep 300' & wait");
    env.start_with(&["-w"], "web", &["sh", "-c", &script]);
    wait_until("the server to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let refused = env.bgo(&["free-port", &port.to_string()]).code(1);
    let hint = format!("hint: bgo stop web stops it; bgo free-port {port} --yes does not ask\n");
    assert!(refused.stderr.ends_with(&hint), "{}", refused.stderr);
    assert_eq!(env.row("web")["status"], "online");
    let told = env.bgo(&["free-port", &port.to_string(), "--yes"]).ok();
    assert_eq!(told.stdout, format!("stopped \"web\"\nport {port} is free\n"));
    assert_eq!((&env.record("web")["want"], &env.row("web")["state"]), (&json!("down"), &json!("stopped")));
    env.assert_all_gone();
}

#[test]
fn free_port_asks_on_a_terminal() {
    let (env, port) = home();
    let server = stranger(&env, "", &format!("127.0.0.1:{port}"));
    for (answer, code) in [("n\r", 1), ("\r", 1), ("\x03", 130), ("y\r", 0)] {
        let mut terminal = env.cmd(&["free-port", &port.to_string()]).on_terminal(120);
        terminal.wait_for("End it? [y/N]");
        let screen = terminal.screen();
        assert!(screen.contains(&format!("port {port} is held by")) && screen.contains("agent::act"), "{screen}");
        assert!(alive(server.pid));
        terminal.send(answer);
        terminal.finish().code(code);
    }
    server.finish().code(128 + 15);
    // Whoever has stopped listening while the question stood is not ended.
    let changing = format!("127.0.0.1:{}", free_port());
    let (number, other) = (changing.rsplit_once(':').unwrap().1, env.work().join("go"));
    let script = "agent \"listen $0\" 'wait go' & sleep 300";
    let shell = env.program("sh", &["-c", script, &changing]).spawn();
    wait_until("it to listen", || TcpStream::connect(&changing).is_ok());
    let mut terminal = env.cmd(&["free-port", number]).on_terminal(120);
    terminal.wait_for("[y/N]");
    std::fs::write(other, "").unwrap();
    wait_until("it to be free", || TcpListener::bind(&changing).is_ok());
    terminal.send("y\r");
    let told = terminal.finish().ok().stdout;
    assert!(!told.contains("ended") && told.contains("is free") && alive(shell.pid), "{told}");
}

#[test]
fn free_port_kills_what_does_not_heed_sigterm() {
    let (env, port) = home();
    let address = format!("127.0.0.1:{port}");
    let server = stranger(&env, "trap '' TERM", &address);
    env.bgo(&["free-port", &port.to_string(), "-y"]).ok();
    server.finish().code(128 + 9);
    drop(TcpListener::bind(&address).unwrap());
}

#[test]
fn free_port_does_not_end_what_the_command_itself_runs_below() {
    let (env, _) = home();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let told = env.bgo(&["free-port", &port, "--yes"]).code(1);
    assert!(told.stderr.contains("holds it, and this command runs below that"), "{}", told.stderr);
    for bad in ["0", "65536", "-1", "http"] {
        env.bgo(&["free-port", bad]).code(2);
    }
}

#[test]
fn a_holder_that_cannot_be_seen_is_told_of() {
    let (env, port) = home();
    let as_nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    if !env.program("setpriv", &[&as_nobody[..], &["true"]].concat()).run().stderr.is_empty() {
        return; // Only root can become another user.
    }
    let server = stranger(&env, "", &format!("127.0.0.1:{port}"));
    let bgo = env.root().join("bgo");
    std::fs::copy(crate::env::BGO, &bgo).unwrap();
    env.program("chmod", &["755", &*bgo.to_string_lossy(), &env.root().to_string_lossy()]).run().ok();
    let (bgo, number) = (bgo.to_string_lossy(), port.to_string());
    let args = [&as_nobody[..], &[&*bgo, "free-port", &number, "--yes"]].concat();
    let told = env.program("setpriv", &args).var("BGO_HOME", "/tmp/none-such").run().code(1);
    let why = format!("bgo: cannot free port {port}: it is held by a process that cannot be seen (another user's?)\n");
    assert_eq!(told.stderr, format!("{why}hint: sudo bgo free-port {port} looks as root\n"));
    assert!(alive(server.pid));
}

#[test]
fn free_port_does_not_stop_the_process_that_it_is_a_part_of() {
    let (env, port) = home();
    let bgo = crate::env::BGO;
    let script = format!(
        "agent 'listen 127.0.0.1:{port}' 'sleep 300' & while [ ! -e go ]; do sleep 0.05; done; {bgo} free-port {port} --yes; echo done $?; wait"
    );
    env.start("ci", &["sh", "-c", &script]);
    wait_until("the server to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    std::fs::write(env.work().join("go"), "").unwrap();
    wait_until("free-port to end", || env.log("ci", "out").contains("done 1"));
    assert_eq!(env.row("ci")["status"], "online");
}
