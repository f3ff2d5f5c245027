-- method -> the three numbers of its budget
must_be_writable()
if not has_budgets() then return {'0', '0', '0'} end
local one = budget(ARGV[2])
return {text(one.failures), text(one.retry_at), text(one.spent_until)}
