-- Cancels an attempt that nobody has claimed, by taking the claim itself; asks the worker otherwise (LINE 8).
-- KEYS: run, events, result, cancels, pauses.
-- ARGV: attempt, event, result JSON, result expiry [s], run expiry [s], job id, running according to SQL ('1'),
--   its message, which Celery code sent, is still to come ('1')
-- Answers 'revoked', 'running' (asked) or 'final'.
local have = redis.call('HMGET', KEYS[1], 'attempt', 'phase')
-- A final state of an earlier attempt (one believed lost, say) does not end the attempt that SQL is at.
local attempt = math.max(tonumber(have[1] or 0), tonumber(ARGV[1]))
if have[2] == 'final' and tonumber(have[1]) == attempt then return 'final' end
if have[2] == 'running' or (not have[1] and ARGV[7] == '1') then
  redis.call('HSET', KEYS[1], 'cancel', '1')
  redis.call('SADD', KEYS[4], ARGV[6])
  return 'running'
end
-- Where nothing is published yet the hash is made all the same: a publisher that is on its way finds it final.
local event = cjson.decode(ARGV[2])
event['a'] = attempt
local id = redis.call('XADD', KEYS[2], '*', 'e', cjson.encode(event))
redis.call('HSET', KEYS[1], 'attempt', attempt, 'phase', 'final', 'state', 'REVOKED', 'user', event['u'], 'event', id)
-- The next message of this id is the one that was cancelled, not a further one.
if ARGV[8] == '1' then redis.call('HSET', KEYS[1], 'awaits', '1') end
redis.call('HDEL', KEYS[1], 'pause')
redis.call('HDEL', KEYS[5], ARGV[6])
redis.call('EXPIRE', KEYS[1], ARGV[5])
if ARGV[3] ~= '' then
  redis.call('SETEX', KEYS[3], ARGV[4], ARGV[3])
  redis.call('PUBLISH', KEYS[3], ARGV[3])
end
return 'revoked'
