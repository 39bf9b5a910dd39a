-- Pauses a running attempt, or lets a paused job go on: a wish that the worker follows, and a later attempt as well.
-- KEYS: run, pauses.  ARGV: '1' to pause, '0' to go on; job id; running according to SQL ('1')
-- Answers 'ok', 'already' (it stands so) or 'not running'.
local have = redis.call('HMGET', KEYS[1], 'phase', 'pause')
if ARGV[1] == '1' then
  if have[1] ~= 'running' and (have[1] or ARGV[3] ~= '1') then return 'not running' end
  if have[2] then return 'already' end
  redis.call('HSET', KEYS[1], 'pause', '1')
else
  if not have[2] then return 'already' end
  redis.call('HDEL', KEYS[1], 'pause')
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
return 'ok'
