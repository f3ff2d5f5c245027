-- KEYS[9] the claim under way. id, max_factors, only_first, for how many milliseconds the claim stands
--   -> 'taken' | 'enrolled' | 'full', or 'begun'
check_whole()
local all = factors()
if all[ARGV[2]] then return 'taken' end
local why = refused(all, number(ARGV[3]), ARGV[4] == '1')
if why then return why end

redis.call('SET', KEYS[9], '1', 'PX', ARGV[5])
return 'begun'
