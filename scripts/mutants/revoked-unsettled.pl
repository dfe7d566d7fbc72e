# What is unsettled when a partition is revoked is committed all the same.
# file: src/pipeline/worker/mod.rs
# test: directed::an_offset_waits_for_what_was_not_written_when_its_member_leaves
s/\n( +)drop\(drain\.done\);/
$1if let Some(frontier) = self.ledger.frontier() {
$1    let received = i64::try_from(self.ledger.len()).unwrap_or(0);
$1    self.frontier.note(crate::record::Offset(frontier.0 + received));
$1}
$1drop(drain.done);/;
