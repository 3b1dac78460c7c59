//! Tickets are stored that nobody can decode, as an older or looser CRD might have let them in: before the operator
//! starts, and while it runs. A ticket beside them lives as if they were not there.

use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::stage::Stage;

use super::cast::Cast;
use super::disturbance::Disturbance;
use super::point::{Outcome, Plan, live_with};
use super::story::Story;
use super::sweeps::Lessons;
use super::table::Row;

/// One life beside undecodable tickets.
pub async fn beside(name: &str, lessons: &Lessons) -> Row {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let stage = Stage::on(&plane, "loose").await;
    stage.install_loose().await;
    let namespace = stage.namespace.clone();
    store(&plane, &namespace, "before").await;
    let plan = Plan {
        story: Story::Unanswered,
        disturbance: Disturbance::None,
    };
    let cast = Cast::on(stage).await;
    let meanwhile = store(&plane, &namespace, "meanwhile");
    let ((evidence, _calls, came), ()) = tokio::join!(live_with(cast, &plan), meanwhile);
    let outcome = Outcome {
        hit: true,
        noticed: came.noticed,
        verdict: lessons.clean(plan.story).judge(&evidence),
    };
    Row::of(name, [&(plan, outcome)])
}

/// Stores a ticket whose title is no text.
pub async fn store(plane: &ControlPlane, namespace: &str, name: &str) {
    let ticket = format!(
        "apiVersion: firebell.dev/v1alpha1\nkind: Ticket\nmetadata: {{name: {name}}}\nspec: {{title: [no, text]}}\n"
    );
    let args = ["apply", "-n", namespace, "-f", "-"];
    plane.kubectl(args).input(&ticket).run().await.unwrap();
}
