-- method, now, cost, horizon -> 0, or when there will be room
if not has_budgets() then
  check_whole()
  must_be_writable()
  return '0'
end
local now, cost, horizon = number(ARGV[3]), number(ARGV[4]), number(ARGV[5])
local one = budget(ARGV[2])
-- `spend` of base.py.
local spent = math.max(math.min(one.spent_until, now + horizon), now) + cost
if spent > now + horizon then
  must_be_writable()
  return text(spent - horizon)
end
one.spent_until = spent
keep(ARGV[2], one)
return '0'
