-- method, cost, id, step, drift, now [, the sealed secret that was read, its replacement] -> 1 or 0
local id, step = ARGV[4], ARGV[5]
local one = factor(id)
if not one or one.state ~= 'active' or not newer(step, one.last) then return 0 end
local back = refunded(budget(ARGV[2]), number(ARGV[3]))

if ARGV[9] and one.sealed == ARGV[8] then one.sealed = ARGV[9] end
one.last, one.drift, one.used = step, ARGV[6], ARGV[7]
put(id, one)
keep(ARGV[2], back)
return 1
