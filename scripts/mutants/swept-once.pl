# After a truncate it is swept once, and what comes late stays.
# file: src/pipeline/truncates.rs
# test: directed::rows_that_a_truncate_took_do_not_stay_when_a_former_owners_writes_bring_them_back
s/self\.begin\(mark, false\);\n( +)\}\n( +)\}\n\n( +)fn begin/let _ = mark;\n$1}\n$2}\n\n$3fn begin/;
