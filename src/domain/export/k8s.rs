//! Manifests of Kubernetes.
//!
//! Why it exists: see the parent. Invariants: what is to end is a Job, all else a Deployment of one pod, of which there are
//! never two at once; a `$` is what it is, never the beginning of a variable; no secret is in a manifest.

use super::super::settings::{Autostart, OnReadyTimeout, Settings};
use super::job::{Job, KERNEL_LIMIT, Probe, is_local, number, secs};
use super::node::{Document, Fields, File, Node, Syntax, fields};

/// The manifests of `job`.
pub fn file(job: &mut Job<'_>) -> File {
    let mut pod = fields([("terminationGracePeriodSeconds", secs(job.settings().stop_timeout).into())]);
    if job.settings().oneshot {
        pod.put("restartPolicy", if job.of.restarts { "OnFailure" } else { "Never" });
    }
    // The variables would be such as API_PORT, which the program may take for its own.
    pod.put("enableServiceLinks", false);
    let container = container(job);
    pod.put("containers", Node::List(vec![container.into()]));
    order(job);
    let labels = || fields([("app", job.id.as_str().into())]);
    let template = fields([("metadata", fields([("labels", labels().into())]).into()), ("spec", pod.into())]);
    let mut metadata = fields([("name", job.id.as_str().into()), ("labels", labels().into())]);
    metadata.put_full("annotations", job.words(["bgo-group", "bgo-owner", "bgo-tags"]));
    let (api, kind, spec) = match job.settings().oneshot {
        true => ("batch/v1", "Job", to_end(job, template)),
        false => ("apps/v1", "Deployment", to_stay(job, template)),
    };
    let head = |api: &str, kind: &str, metadata: Fields, spec: Fields| {
        let all =
            [("apiVersion", api.into()), ("kind", kind.into()), ("metadata", metadata.into()), ("spec", spec.into())];
        fields(all).0
    };
    let map = head(api, kind, metadata, spec);
    let ports = job.ports();
    let mut documents = vec![Document { comments: job.comments(), map }];
    if !ports.is_empty() {
        let port = |port: &u16| {
            let all = [("name", format!("p{port}").into()), ("port", (*port).into()), ("targetPort", (*port).into())];
            Node::from(fields(all))
        };
        let spec = [
            ("selector", fields([("app", job.id.as_str().into())]).into()),
            ("ports", ports.iter().map(port).collect::<Vec<_>>().into()),
        ];
        let metadata = fields([("name", job.id.as_str().into())]);
        documents.push(Document { comments: Vec::new(), map: head("v1", "Service", metadata, fields(spec)) });
    }
    let name = format!("{}.yaml", job.id);
    File { name, syntax: Syntax::Yaml, processes: vec![job.of.name.clone()], is_private: false, documents }
}

impl From<Vec<Node>> for Node {
    fn from(list: Vec<Node>) -> Node {
        Node::List(list)
    }
}

/// The spec of a Deployment.
fn to_stay(job: &mut Job<'_>, template: Fields) -> Fields {
    let settings = job.settings();
    if !job.of.restarts {
        let what = if job.health().is_some() { ", and what is not well" } else { "" };
        job.differs("restart", format!("a Deployment restarts what ends{what}, in any case"));
    } else if settings.restart_on != Settings::default().restart_on {
        job.differs("restart_on", "a Deployment restarts what ends, in any case");
    }
    if job.of.restarts && settings.max_fast_crashes != Settings::default().max_fast_crashes {
        job.lost("max_fast_crashes", "a Deployment never gives up");
    }
    if settings.max_runtime.is_some() {
        job.lost("max_runtime", "a Deployment has no such limit; a Job has");
    }
    if job.of.restarts && settings.success_exit.0 != [0] {
        job.lost("success_exit", "all ends are the same to a Deployment");
    }
    let is_started = settings.autostart != Autostart::Never;
    if settings.autostart != Autostart::UnlessStopped {
        job.differs("autostart", "it says whether there are replicas; kubectl scale changes that");
    }
    let selector = fields([("matchLabels", fields([("app", job.id.as_str().into())]).into())]);
    let mut spec = fields([("replicas", i64::from(is_started).into()), ("selector", selector.into())]);
    spec.put("strategy", fields([("type", "Recreate".into())]));
    spec.put("template", template);
    spec
}

/// The spec of a Job.
fn to_end(job: &mut Job<'_>, template: Fields) -> Fields {
    let settings = job.settings();
    let tries = if job.of.restarts { i64::from(settings.max_fast_crashes.saturating_sub(1)) } else { 0 };
    let mut spec = fields([("backoffLimit", tries.into())]);
    spec.put_some("activeDeadlineSeconds", settings.max_runtime.map(|limit| secs(limit).max(1)));
    if settings.autostart == Autostart::Never {
        spec.put("suspend", true);
        job.differs("autostart", "the job is suspended");
    } else if settings.autostart == Autostart::Always {
        job.differs("autostart", "a Job runs once");
    }
    if settings.success_exit.0 != [0] {
        job.lost("success_exit", "0 alone is success");
    }
    spec.put("template", template);
    spec
}

fn order(job: &mut Job<'_>) {
    if !job.needs.is_empty() {
        let why = "all are started at once: an init container that waits for what it needs can hold it back";
        job.lost("after", why);
        let needs: Vec<&str> = job.needs.iter().map(|need| need.id.as_str()).collect();
        job.differs("after", format!("in a pod it is not on localhost: reach it by a Service: {}", needs.join(", ")));
    }
}

/// A text in which nothing is a variable.
fn plain(text: &str) -> Node {
    Node::Text(text.replace('$', "$$"))
}

fn container(job: &mut Job<'_>) -> Fields {
    let settings = job.settings();
    let mut container = fields([("name", job.id.as_str().into()), ("image", job.image.as_str().into())]);
    container.put("command", Node::List(job.argv.iter().map(|word| plain(word)).collect()));
    container.put("workingDir", job.cwd.as_str());
    job.differs("cwd", "the folder has to be in the image, or in a volume");
    if job.argv.first().is_some_and(|program| program.contains('/')) {
        job.differs("command", "the program has to be in the image, at the same path");
    }
    variables(job, &mut container);
    let ports = job.ports();
    if !ports.is_empty() {
        let port = |port: &u16| Node::from(fields([("containerPort", (*port).into())]));
        container.put("ports", ports.iter().map(port).collect::<Vec<_>>());
        job.differs("command", "in a pod it has to listen on 0.0.0.0, not on the loopback address");
    }
    if let Some(probe) = job.ready() {
        let mut check = check(&probe);
        check.put("periodSeconds", 1_i64);
        check.put("timeoutSeconds", secs(settings.health_timeout).max(1));
        // No other check begins before the first success of this one.
        let is_kept = settings.on_ready_timeout == OnReadyTimeout::Keep || settings.ready_timeout.0.is_zero();
        let tries = if is_kept { i64::from(i32::MAX) } else { secs(settings.ready_timeout).max(1) };
        let mut first = check.clone();
        first.put("failureThreshold", tries);
        container.put("startupProbe", first);
        container.put("readinessProbe", check);
        if !is_kept && settings.ready_timeout != Settings::default().ready_timeout {
            job.differs("ready_timeout", "what is not ready by then is ended and started again");
        }
    } else if settings.ready_when().is_some() && settings.ready_timeout != Settings::default().ready_timeout {
        job.lost("ready_timeout", "the check that it is for has none");
    }
    if let Some(probe) = job.health() {
        let mut check = check(&probe);
        check.put("initialDelaySeconds", secs(settings.health_grace));
        check.put("periodSeconds", secs(settings.health_interval).max(1));
        check.put("timeoutSeconds", secs(settings.health_timeout).max(1));
        check.put("failureThreshold", i64::from(settings.health_threshold));
        container.put("livenessProbe", check);
    }
    if let Some(size) = settings.max_rss {
        job.differs("max_rss", KERNEL_LIMIT);
        let limits = fields([("limits", fields([("memory", size.0.to_string().into())]).into())]);
        container.put("resources", limits);
    }
    user(job, &mut container);
    if settings.stdin {
        container.put("stdin", true);
    }
    container
}

fn user(job: &mut Job<'_>, container: &mut Fields) {
    let Some(user) = &job.settings().user else { return };
    match user.parse::<u32>() {
        Ok(id) => container.put("securityContext", fields([("runAsUser", number(id.into()))])),
        Err(_) => job.lost("user", format!("securityContext.runAsUser takes a number: that of {user} in the image")),
    }
}

fn variables(job: &mut Job<'_>, container: &mut Fields) {
    let mut variables = Vec::new();
    for (name, value) in &job.env {
        variables.push(fields([("name", name.as_str().into()), ("value", plain(value))]).into());
    }
    for name in &job.secrets {
        let key = fields([("name", job.id.as_str().into()), ("key", name.as_str().into())]);
        let from = fields([("secretKeyRef", key.into())]);
        variables.push(fields([("name", name.as_str().into()), ("valueFrom", from.into())]).into());
    }
    if !job.secrets.is_empty() {
        let pairs: Vec<String> = job.secrets.iter().map(|name| format!("--from-literal={name}=…")).collect();
        let why = format!(
            "looks secret, so it comes from a Secret: kubectl create secret generic {} {}",
            job.id,
            pairs.join(" ")
        );
        job.differs("env", format!("{}: {why}", job.secrets.join(", ")));
    }
    if !variables.is_empty() {
        container.put("env", variables);
    }
    let mut files = Vec::new();
    for (number, file) in job.env_files().into_iter().enumerate() {
        let name = format!("{}-env-{number}", job.id);
        job.differs("env_file", format!("kubectl create secret generic {name} --from-env-file={file}"));
        files.push(fields([("secretRef", fields([("name", name.into())]).into())]).into());
    }
    if !files.is_empty() {
        container.put("envFrom", files);
    }
}

fn check(probe: &Probe) -> Fields {
    match probe {
        Probe::Port(port) => fields([("tcpSocket", fields([("port", (*port).into())]).into())]),
        Probe::Cmd(cmd) => {
            let command = Node::List(["/bin/sh", "-c", cmd].map(Node::from).into());
            fields([("exec", fields([("command", command)]).into())])
        }
        Probe::Url(url, _) => {
            let mut get = fields([("path", url.target.as_str().into()), ("port", url.port.into())]);
            if !is_local(&url.host) {
                get.put("host", url.host.as_str());
            }
            fields([("httpGet", get.into())])
        }
    }
}
