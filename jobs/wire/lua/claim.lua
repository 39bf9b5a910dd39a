-- Takes a queued attempt for one worker: the claim is the STARTED report (LINE 1).
-- KEYS: run, events, result.
-- ARGV: attempt, owner, worker, event, result JSON, foreign ('1'), result expiry [s], token of this claim, user, kind
-- Answers 'ok'; or why the message is dropped: 'missing', 'stale', 'taken', 'final'.
local have = redis.call('HMGET', KEYS[1], 'attempt', 'phase', 'token')
local attempt, wanted = tonumber(have[1] or 0), tonumber(ARGV[1])
-- The same call again, because its answer was lost on the way.
if have[3] == ARGV[8] then return have[2] == 'running' and 'ok' or 'final' end
if not have[1] then
  if ARGV[6] ~= '1' then return 'missing' end
elseif attempt > wanted then
  return 'stale'
elseif attempt == wanted then
  if have[2] ~= 'queued' then return have[2] == 'final' and 'final' or 'taken' end
else
  -- A higher attempt that no publisher of ours announced: Celery's own Task.retry sent it.
  if ARGV[6] ~= '1' then return 'missing' end
  if have[2] == 'final' then return 'final' end
end
redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'phase', 'running', 'state', 'STARTED', 'owner', ARGV[2],
  'worker', ARGV[3], 'token', ARGV[8], 'user', ARGV[9], 'kind', ARGV[10])
redis.call('HDEL', KEYS[1], 'progress', 'cancel')
local id = redis.call('XADD', KEYS[2], '*', 'e', ARGV[4])
redis.call('HSET', KEYS[1], 'event', id)
redis.call('SETEX', KEYS[3], ARGV[7], ARGV[5])
redis.call('PUBLISH', KEYS[3], ARGV[5])
return 'ok'
