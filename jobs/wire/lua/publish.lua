-- Marks an attempt as queued and pushes its message, or does neither (LINE 1).
-- KEYS: run, queue list, events.  ARGV: attempt, message, event, user, kind, force
-- Answers 'queued'; or why not: 'already' (this attempt waits in a queue), 'claimed', 'stale', 'final'.
local have = redis.call('HMGET', KEYS[1], 'attempt', 'phase', 'state')
local attempt, wanted = tonumber(have[1] or 0), tonumber(ARGV[1])
if have[3] == 'SUCCESS' then return 'final' end
if attempt > wanted then return 'stale' end
if attempt == wanted then
  if have[2] == 'queued' then
    -- Only dispatch, which has found the message nowhere, forces it; a doubled message is dropped by the claim.
    if ARGV[6] ~= '1' then return 'already' end
  elseif have[2] then
    return have[2] == 'final' and 'final' or 'claimed'
  end
end
redis.call('HDEL', KEYS[1], 'owner', 'progress', 'worker', 'cancel', 'assumed')
redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'phase', 'queued', 'state', 'PENDING', 'user', ARGV[4], 'kind', ARGV[5])
redis.call('PERSIST', KEYS[1])
redis.call('LPUSH', KEYS[2], ARGV[2])
local id = redis.call('XADD', KEYS[3], '*', 'e', ARGV[3])
redis.call('HSET', KEYS[1], 'event', id)
return 'queued'
